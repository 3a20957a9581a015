"""The ``openai`` client, through chat and through responses."""

import json
from typing import Any

import openai

from tests.clients.asking.scene import ANSWER, ARGUMENTS, RESULT, SCHEMA, THOUGHT, URL, Way, fails, same

CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}


# -------------------------------------------------------------------------------------------------------- chat


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
    asked += [{"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in said.tool_calls]
    same(chat(client, model, stream, asked, tools=[CHAT_TOOL]).content, ANSWER)


def chat_structured(client: Any, model: str, stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    same(json.loads(chat(client, model, stream, "[[sim-json]]", response_format=form).content), ARGUMENTS)


def chat_reasoning(client: Any, model: str, stream: bool) -> None:
    said = chat(client, model, stream, "[[sim-reasoning]]", reasoning_effort="low")
    same(said.content, ANSWER)
    same(said.model_extra["reasoning_content"], THOUGHT)


def chat_next_turn(client: Any, model: str, stream: bool) -> None:
    """What was thought is told again, as the client got it."""
    asked: list[Any] = [{"role": "user", "content": "[[sim-reasoning]]"}]
    said = chat(client, model, stream, asked).model_dump(exclude_none=True, exclude={"parsed"})
    asked += [said, {"role": "user", "content": "[[sim-recall]] and then?"}]
    same("and then?" in chat(client, model, stream, asked).content, True)


def chat_error(client: Any, model: str, stream: bool) -> None:
    error = fails(lambda: chat(client, model, stream, "[[sim-context-overflow]]"))
    assert isinstance(error, openai.BadRequestError), repr(error)
    same(error.code, "context_length_exceeded")


# --------------------------------------------------------------------------------------------------- responses


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
    asked += [{"type": "function_call_output", "call_id": call.call_id, "output": RESULT} for call in calls]
    same(respond(client, model, stream, asked, tools=[RESPONSES_TOOL]).output_text, ANSWER)


def responses_structured(client: Any, model: str, stream: bool) -> None:
    form = {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}
    same(json.loads(respond(client, model, stream, "[[sim-json]]", text=form).output_text), ARGUMENTS)


def responses_reasoning(client: Any, model: str, stream: bool) -> None:
    said = respond(client, model, stream, "[[sim-reasoning]]", reasoning={"effort": "low", "summary": "auto"})
    same(said.output_text, ANSWER)
    (thought,) = [item for item in said.output if item.type == "reasoning"]
    same(thought.summary[0].text, THOUGHT)


def responses_next_turn(client: Any, model: str, stream: bool) -> None:
    """What was thought is told again, as the client got it."""
    asked: list[Any] = [{"role": "user", "content": "[[sim-reasoning]]"}]
    more = {"include": ["reasoning.encrypted_content"], "store": False}
    said = respond(client, model, stream, asked, **more)
    asked += [item.model_dump(exclude_none=True) for item in said.output]
    for item in asked[1:]:
        for part in item.get("content", []):
            part.pop("parsed", None)
    asked.append({"role": "user", "content": "[[sim-recall]] and then?"})
    same("and then?" in respond(client, model, stream, asked, **more).output_text, True)


def responses_error(client: Any, model: str, stream: bool) -> None:
    error = fails(lambda: respond(client, model, stream, "[[sim-context-overflow]]"))
    assert isinstance(error, openai.BadRequestError), repr(error)
    same(error.code, "context_length_exceeded")


def _made(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


WAYS = (
    Way(
        "openai",
        "chat",
        _made,
        {
            "text": chat_text,
            "image": chat_image,
            "tools": chat_tools,
            "structured": chat_structured,
            "reasoning": chat_reasoning,
            "next turn": chat_next_turn,
            "error": chat_error,
        },
    ),
    Way(
        "openai",
        "responses",
        _made,
        {
            "text": responses_text,
            "image": responses_image,
            "tools": responses_tools,
            "structured": responses_structured,
            "reasoning": responses_reasoning,
            "next turn": responses_next_turn,
            "error": responses_error,
        },
    ),
)
