"""Run in the environment of the clients, with the gateway's address: asks all that both sides can say, and prints a
table. Nothing of lanes is imported here."""

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import anthropic
import openai

PROVIDERS = ("chat", "responses", "messages")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
URL = f"data:image/png;base64,{PNG}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ANSWER = "All is well here, says the simulated provider."
ARGUMENTS = {"city": "simulated"}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}
MESSAGES_TOOL: Any = {"name": "weather", "input_schema": SCHEMA}

Ask = Callable[[Any, str, bool], None]


def same(one: object, other: object) -> None:
    """Raises AssertionError where they differ."""
    if one != other:
        raise AssertionError(f"{one!r} is not {other!r}")


# ------------------------------------------------------------------------------------------------- openai, chat


def chat(client: openai.OpenAI, model: str, stream: bool, text: Any, **more: Any) -> Any:
    """The message of a completion, from a stream as the client's own helper adds it up."""
    messages: Any = text if isinstance(text, list) else [{"role": "user", "content": text}]
    if not stream:
        return client.chat.completions.create(model=model, messages=messages, **more).choices[0].message
    more = {"stream_options": {"include_usage": True}, **more}
    with client.chat.completions.stream(model=model, messages=messages, **more) as events:
        final = events.get_final_completion()
    assert final.usage is not None
    return final.choices[0].message


def chat_text(client: Any, model: str, stream: bool) -> None:
    same(chat(client, model, stream, "hello", temperature=0.5, max_tokens=50).content, ANSWER)


def chat_image(client: Any, model: str, stream: bool) -> None:
    parts = [{"type": "text", "text": "[[sim-echo]] look"}, {"type": "image_url", "image_url": {"url": URL}}]
    same(chat(client, model, stream, [{"role": "user", "content": parts}]).content, "look")


def chat_tools(client: Any, model: str, stream: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "[[sim-tools]]"}]
    said = chat(client, model, stream, asked, tools=[CHAT_TOOL], parallel_tool_calls=True)
    same([json.loads(call.function.arguments) for call in said.tool_calls], [ARGUMENTS] * 2)
    same(len({call.id for call in said.tool_calls}), 2)
    asked.append(said.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
    for call in asked[1]["tool_calls"]:
        call["function"].pop("parsed_arguments", None)
    asked += [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in said.tool_calls]
    same(chat(client, model, stream, asked, tools=[CHAT_TOOL]).content, ANSWER)


def chat_structured(client: Any, model: str, stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    same(json.loads(chat(client, model, stream, "[[sim-json]]", response_format=form).content), ARGUMENTS)


def chat_reasoning(client: Any, model: str, stream: bool) -> None:
    said = chat(client, model, stream, "[[sim-reasoning]]", reasoning_effort="low")
    same(said.content, ANSWER)
    same(said.model_extra["reasoning_content"], "The question is short. So is the answer.")


# -------------------------------------------------------------------------------------------- openai, responses


def respond(client: openai.OpenAI, model: str, stream: bool, given: Any, **more: Any) -> Any:
    """A response, from a stream as the client's own helper adds it up."""
    if not stream:
        return client.responses.create(model=model, input=given, **more)
    with client.responses.stream(model=model, input=given, **more) as events:
        return events.get_final_response()


def responses_text(client: Any, model: str, stream: bool) -> None:
    said = respond(client, model, stream, "hello", instructions="Be brief.", max_output_tokens=50)
    same((said.output_text, said.status), (ANSWER, "completed"))
    assert said.usage.output_tokens > 0


def responses_image(client: Any, model: str, stream: bool) -> None:
    parts = [{"type": "input_text", "text": "[[sim-echo]] look"}, {"type": "input_image", "image_url": URL}]
    same(respond(client, model, stream, [{"role": "user", "content": parts}]).output_text, "look")


def responses_tools(client: Any, model: str, stream: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "[[sim-tools]]"}]
    said = respond(client, model, stream, asked, tools=[RESPONSES_TOOL])
    calls = [item for item in said.output if item.type == "function_call"]
    same([json.loads(call.arguments) for call in calls], [ARGUMENTS] * 2)
    asked += [call.model_dump(include={"type", "call_id", "name", "arguments"}) for call in calls]
    asked += [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls]
    same(respond(client, model, stream, asked, tools=[RESPONSES_TOOL]).output_text, ANSWER)


def responses_structured(client: Any, model: str, stream: bool) -> None:
    form = {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}
    same(json.loads(respond(client, model, stream, "[[sim-json]]", text=form).output_text), ARGUMENTS)


def responses_reasoning(client: Any, model: str, stream: bool) -> None:
    said = respond(client, model, stream, "[[sim-reasoning]]", reasoning={"effort": "low", "summary": "auto"})
    same(said.output_text, ANSWER)
    (thought,) = [item for item in said.output if item.type == "reasoning"]
    same(thought.summary[0].text, "The question is short. So is the answer.")


# ---------------------------------------------------------------------------------------------------- anthropic


def message(client: anthropic.Anthropic, model: str, stream: bool, text: Any, **more: Any) -> Any:
    """A message, from a stream as the client's own helper adds it up."""
    messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
    more = {"max_tokens": 500, **more}
    if not stream:
        return client.messages.create(model=model, messages=messages, **more)
    with client.messages.stream(model=model, messages=messages, **more) as events:
        return events.get_final_message()


def messages_text(client: Any, model: str, stream: bool) -> None:
    said = message(
        client, model, stream, "hello", system="Be brief.", stop_sequences=["END"] if model != "responses" else []
    )
    same([(block.type, block.text) for block in said.content], [("text", ANSWER)])
    same(said.stop_reason, "end_turn")
    assert said.usage.output_tokens > 0


def messages_image(client: Any, model: str, stream: bool) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    parts = [{"type": "text", "text": "[[sim-echo]] look"}, image]
    same(message(client, model, stream, [{"role": "user", "content": parts}]).content[0].text, "look")


def messages_tools(client: Any, model: str, stream: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "[[sim-tools]]"}]
    said = message(client, model, stream, asked, tools=[MESSAGES_TOOL])
    calls = [block for block in said.content if block.type == "tool_use"]
    same(([call.input for call in calls], said.stop_reason), ([ARGUMENTS] * 2, "tool_use"))
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"} for call in calls]
    content = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input} for call in calls]
    asked += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    same(message(client, model, stream, asked, tools=[MESSAGES_TOOL]).content[0].text, ANSWER)


def messages_structured(client: Any, model: str, stream: bool) -> None:
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    same(json.loads(message(client, model, stream, "[[sim-json]]", output_config=form).content[0].text), ARGUMENTS)


def messages_reasoning(client: Any, model: str, stream: bool) -> None:
    said = message(client, model, stream, "[[sim-reasoning]]", thinking={"type": "adaptive"})
    same([block.type for block in said.content], ["thinking", "text"])
    same(said.content[0].thinking, "The question is short. So is the answer.")


# ------------------------------------------------------------------------------------------------------- errors


def openai_errors(client: Any, model: str, stream: bool) -> None:
    asked: Any = [{"role": "user", "content": "[[sim-context-overflow]]"}]
    try:
        client.chat.completions.create(model=model, messages=asked, stream=stream)
    except openai.BadRequestError as error:
        same(error.code, "context_length_exceeded")
    else:
        raise AssertionError("no error")


def anthropic_errors(client: Any, model: str, stream: bool) -> None:
    asked: Any = [{"role": "user", "content": "[[sim-context-overflow]]"}]
    try:
        client.messages.create(model=model, max_tokens=5, messages=asked, stream=stream)
    except anthropic.BadRequestError as error:
        same("too long" in str(error), True)
    else:
        raise AssertionError("no error")


def main(url: str) -> int:
    """Ask everything; 1 where something went wrong."""
    theirs = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
    other = anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0)
    asked: list[tuple[str, Any, list[Ask]]] = [
        ("openai chat", theirs, [chat_text, chat_image, chat_tools, chat_structured, chat_reasoning, openai_errors]),
        (
            "openai responses", theirs,
            [responses_text, responses_image, responses_tools, responses_structured, responses_reasoning],
        ),
        (
            "anthropic", other,
            [messages_text, messages_image, messages_tools, messages_structured, messages_reasoning, anthropic_errors],
        ),
    ]  # fmt: skip
    failed = 0
    for name, client, asks in asked:
        for ask in asks:
            told = []
            for provider in PROVIDERS:
                for stream in (False, True):
                    try:
                        ask(client, provider, stream)
                    except Exception:
                        failed += 1
                        told.append(f"{provider}{' stream' if stream else ''}: FAILED")
                        traceback.print_exc()
                    else:
                        told.append(f"{provider}{' stream' if stream else ''}: ok")
            sys.stdout.write(f"{name:17} {ask.__name__.partition('_')[2]:11} {', '.join(told)}\n")
    sys.stdout.write(f"openai {openai.__version__}, anthropic {anthropic.__version__}: {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
