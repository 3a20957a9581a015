"""The ``anthropic`` client."""

import json
from typing import Any

import anthropic

from tests.clients.asking.scene import ANSWER, ARGUMENTS, PNG, RESULT, SCHEMA, THOUGHT, TOO_LONG, Way, fails, same

TOOL: Any = {"name": "weather", "input_schema": SCHEMA}


def message(client: anthropic.Anthropic, model: str, stream: bool, text: Any, **more: Any) -> Any:
    """A message, from a stream as the client's own helper adds it up."""
    messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
    more = {"max_tokens": 500, **more}
    if not stream:
        return client.messages.create(model=model, messages=messages, **more)
    with client.messages.stream(model=model, messages=messages, **more) as events:
        return events.get_final_message()


def ask_text(client: Any, model: str, stream: bool) -> None:
    said = message(
        client, model, stream, "hello", system="Be brief.", stop_sequences=["END"] if model != "responses" else []
    )
    same([(block.type, block.text) for block in said.content], [("text", ANSWER)])
    same(said.stop_reason, "end_turn")
    assert said.usage.output_tokens > 0


def ask_image(client: Any, model: str, stream: bool) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    parts = [{"type": "text", "text": "[[sim-echo]] look"}, image]
    same(message(client, model, stream, [{"role": "user", "content": parts}]).content[0].text, "look")


def ask_tools(client: Any, model: str, stream: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "[[sim-tools]]"}]
    said = message(client, model, stream, asked, tools=[TOOL])
    calls = [block for block in said.content if block.type == "tool_use"]
    same(([call.input for call in calls], said.stop_reason), ([ARGUMENTS] * 2, "tool_use"))
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT} for call in calls]
    content = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input} for call in calls]
    asked += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    same(message(client, model, stream, asked, tools=[TOOL]).content[0].text, ANSWER)
    same(_by_runner(client, model, stream), ANSWER)


def _by_runner(client: anthropic.Anthropic, model: str, stream: bool) -> str:
    """The same by its own tool runner, which asks the provider to keep the conversation."""
    heard: list[dict[str, str]] = []

    def weather(city: str) -> str:
        """Tell the weather."""
        heard.append({"city": city})
        return RESULT

    asked: list[Any] = [{"role": "user", "content": "[[sim-tools]]"}]
    more: dict[str, Any] = {
        "max_tokens": 500,
        "tools": [anthropic.beta_tool(weather)],
        "messages": asked,
        "stream": stream,
    }
    said = client.beta.messages.tool_runner(model=model, **more).until_done()
    same(heard, [ARGUMENTS] * 2)
    return str(said.content[0].text)


def ask_structured(client: Any, model: str, stream: bool) -> None:
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    same(json.loads(message(client, model, stream, "[[sim-json]]", output_config=form).content[0].text), ARGUMENTS)


def ask_reasoning(client: Any, model: str, stream: bool) -> None:
    said = message(client, model, stream, "[[sim-reasoning]]", thinking={"type": "adaptive"})
    same([block.type for block in said.content], ["thinking", "text"])
    same(said.content[0].thinking, THOUGHT)


def ask_next_turn(client: Any, model: str, stream: bool) -> None:
    """What was thought is told again, as the client got it."""
    asked: list[Any] = [{"role": "user", "content": "[[sim-reasoning]]"}]
    said = message(client, model, stream, asked, thinking={"type": "adaptive"})
    content = [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in said.content]
    asked += [{"role": "assistant", "content": content}, {"role": "user", "content": "[[sim-recall]] and then?"}]
    same("and then?" in message(client, model, stream, asked).content[0].text, True)


def ask_error(client: Any, model: str, stream: bool) -> None:
    error = fails(lambda: message(client, model, stream, "[[sim-context-overflow]]"))
    assert isinstance(error, anthropic.BadRequestError), repr(error)
    same(TOO_LONG in str(error), True)


def _made(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0)


WAYS = (
    Way(
        "anthropic",
        "messages",
        _made,
        {
            "text": ask_text,
            "image": ask_image,
            "tools": ask_tools,
            "structured": ask_structured,
            "reasoning": ask_reasoning,
            "next turn": ask_next_turn,
            "error": ask_error,
        },
    ),
)
