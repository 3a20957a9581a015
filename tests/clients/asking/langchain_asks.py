"""``langchain-openai``, through chat and through responses."""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from tests.clients.asking.scene import (
    ANSWER,
    ARGUMENTS,
    RESULT,
    SCHEMA,
    THOUGHT,
    TOO_LONG,
    URL,
    Way,
    fails,
    same,
)

TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}


def _made(responses: bool) -> Callable[[str], Any]:
    """A client is a function that gives the model of a provider."""

    def made(url: str) -> Any:
        from langchain_openai import ChatOpenAI

        def model(name: str, **more: Any) -> Any:
            known = {"base_url": f"{url}/v1", "api_key": "unused", "max_retries": 0, "use_responses_api": responses}
            return ChatOpenAI(model=name, **known, **more)

        model.responses = responses  # type: ignore[attr-defined]
        return model

    return made


def _said(model: Any, stream: bool, asked: Any) -> Any:
    """A message, from a stream as the client's own chunks add up."""
    return reduce(add, model.stream(asked)) if stream else model.invoke(asked)


def ask_text(model_of: Any, name: str, stream: bool) -> None:
    asked = [("system", "Be brief."), ("user", "hello")]
    said = _said(model_of(name, temperature=0.5, max_tokens=50, stream_usage=True), stream, asked)
    same(said.text, ANSWER)
    assert said.usage_metadata["output_tokens"] > 0


def ask_image(model_of: Any, name: str, stream: bool) -> None:
    parts = [{"type": "text", "text": "[[sim-echo]] look"}, {"type": "image_url", "image_url": {"url": URL}}]
    same(_said(model_of(name), stream, [{"role": "user", "content": parts}]).text, "look")


def ask_tools(model_of: Any, name: str, stream: bool) -> None:
    asked: list[Any] = [("user", "[[sim-tools]]")]
    model = model_of(name).bind_tools([TOOL], parallel_tool_calls=True)
    asked.append(_said(model, stream, asked))
    calls = asked[1].tool_calls
    same([call["args"] for call in calls], [ARGUMENTS] * 2)
    asked += [{"role": "tool", "tool_call_id": call["id"], "content": RESULT} for call in calls]
    same(_said(model, stream, asked).text, ANSWER)


def ask_structured(model_of: Any, name: str, stream: bool) -> None:
    model = model_of(name).with_structured_output({"title": "place", **SCHEMA}, method="json_schema", strict=True)
    same([*model.stream("[[sim-json]]")][-1] if stream else model.invoke("[[sim-json]]"), ARGUMENTS)


def ask_reasoning(model_of: Any, name: str, stream: bool) -> None:
    said = _said(model_of(name, reasoning={"effort": "low", "summary": "auto"}), stream, "[[sim-reasoning]]")
    same(said.text, ANSWER)
    thoughts = [block["reasoning"] for block in said.content_blocks if block["type"] == "reasoning"]
    same("".join(thoughts), THOUGHT)


def ask_next_turn(model_of: Any, name: str, stream: bool) -> None:
    """What was thought is told again, as the client does it."""
    more = {"include": ["reasoning.encrypted_content"], "store": False} if model_of.responses else {}
    asked: list[Any] = [("user", "[[sim-reasoning]]")]
    asked += [_said(model_of(name, **more), stream, asked), ("user", "[[sim-recall]] and then?")]
    same("and then?" in _said(model_of(name, **more), stream, asked).text, True)


def ask_error(model_of: Any, name: str, stream: bool) -> None:
    error = fails(lambda: _said(model_of(name), stream, "[[sim-context-overflow]]"))
    same(TOO_LONG in str(error), True)


_ASKS = {
    "text": ask_text, "image": ask_image, "tools": ask_tools, "structured": ask_structured,
    "reasoning": ask_reasoning, "next turn": ask_next_turn, "error": ask_error,
}  # fmt: skip
WAYS = (
    Way("langchain-openai", "chat", _made(False), _ASKS | {"reasoning": "not shown by it"}),
    Way("langchain-openai", "responses", _made(True), _ASKS),
)
