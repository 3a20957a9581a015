"""``langchain-openai``, through chat and through responses, and ``langchain-anthropic``, through messages."""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any, NamedTuple

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


def _openai(responses: bool) -> Callable[[str], Any]:
    def made(url: str) -> Any:
        from langchain_openai import ChatOpenAI

        def model(name: str, **more: Any) -> Any:
            known = {"base_url": f"{url}/v1", "api_key": "unused", "max_retries": 0, "use_responses_api": responses}
            return ChatOpenAI(model=name, **known, **more)

        again = {"include": ["reasoning.encrypted_content"], "store": False} if responses else {}
        return _Models(model, {"reasoning": {"effort": "low", "summary": "auto"}}, again)

    return made


def _anthropic(url: str) -> Any:
    from langchain_anthropic import ChatAnthropic

    def model(name: str, **more: Any) -> Any:
        return ChatAnthropic(model=name, base_url=url, api_key="unused", max_retries=0, **{"max_tokens": 500, **more})

    thinks = {"thinking": {"type": "adaptive"}}
    return _Models(model, thinks, thinks)


class _Models(NamedTuple):
    """The models of one route: ``of`` makes that of a provider. With ``thinks`` it shows its thoughts, and with
    ``again`` it tells them again."""

    of: Callable[..., Any]
    thinks: dict[str, Any]
    again: dict[str, Any]


def _said(model: Any, stream: bool, asked: Any) -> Any:
    """A message, from a stream as the client's own chunks add up."""
    return reduce(add, model.stream(asked)) if stream else model.invoke(asked)


def ask_text(models: _Models, name: str, stream: bool) -> None:
    asked = [("system", "Be brief."), ("user", "hello")]
    said = _said(models.of(name, temperature=0.5, max_tokens=50, stream_usage=True), stream, asked)
    same(said.text, ANSWER)
    assert said.usage_metadata["output_tokens"] > 0


def ask_image(models: _Models, name: str, stream: bool) -> None:
    parts = [{"type": "text", "text": "[[sim-echo]] look"}, {"type": "image_url", "image_url": {"url": URL}}]
    same(_said(models.of(name), stream, [{"role": "user", "content": parts}]).text, "look")


def ask_tools(models: _Models, name: str, stream: bool) -> None:
    asked: list[Any] = [("user", "[[sim-tools]]")]
    model = models.of(name).bind_tools([TOOL], parallel_tool_calls=True)
    asked.append(_said(model, stream, asked))
    calls = asked[1].tool_calls
    same([call["args"] for call in calls], [ARGUMENTS] * 2)
    asked += [{"role": "tool", "tool_call_id": call["id"], "content": RESULT} for call in calls]
    same(_said(model, stream, asked).text, ANSWER)


def ask_structured(models: _Models, name: str, stream: bool) -> None:
    model = models.of(name).with_structured_output({"title": "place", **SCHEMA}, method="json_schema", strict=True)
    same([*model.stream("[[sim-json]]")][-1] if stream else model.invoke("[[sim-json]]"), ARGUMENTS)


def ask_reasoning(models: _Models, name: str, stream: bool) -> None:
    said = _said(models.of(name, **models.thinks), stream, "[[sim-reasoning]]")
    same(said.text, ANSWER)
    thoughts = [block["reasoning"] for block in said.content_blocks if block["type"] == "reasoning"]
    same("".join(thoughts), THOUGHT)


def ask_next_turn(models: _Models, name: str, stream: bool) -> None:
    """What was thought is told again, as the client does it."""
    asked: list[Any] = [("user", "[[sim-reasoning]]")]
    asked += [_said(models.of(name, **models.again), stream, asked), ("user", "[[sim-recall]] and then?")]
    same("and then?" in _said(models.of(name, **models.again), stream, asked).text, True)


def ask_error(models: _Models, name: str, stream: bool) -> None:
    error = fails(lambda: _said(models.of(name), stream, "[[sim-context-overflow]]"))
    same(TOO_LONG in str(error), True)


_ASKS = {
    "text": ask_text, "image": ask_image, "tools": ask_tools, "structured": ask_structured,
    "reasoning": ask_reasoning, "next turn": ask_next_turn, "error": ask_error,
}  # fmt: skip
WAYS = (
    Way("langchain-openai", "chat", _openai(False), _ASKS | {"reasoning": "not shown by it"}),
    Way("langchain-openai", "responses", _openai(True), _ASKS),
    Way("langchain-anthropic", "messages", _anthropic, _ASKS),
)
