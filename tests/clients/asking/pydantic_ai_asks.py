"""``pydantic-ai``, through chat, responses and messages, by its agents."""

import asyncio
from collections.abc import Callable
from typing import Any

from typing_extensions import TypedDict

from tests.clients.asking.scene import (
    ANSWER,
    ARGUMENTS,
    IMAGE,
    RESULT,
    THOUGHT,
    TOO_LONG,
    Way,
    fails,
    same,
)


class Place(TypedDict):
    """The form that an answer is to have."""

    city: str


def _openai(url: str, kind: str) -> Callable[[str], Any]:
    """What makes its model of that class for a name."""
    from openai import AsyncOpenAI
    from pydantic_ai.models import openai
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
    provider = OpenAIProvider(openai_client=client)
    return lambda name: getattr(openai, kind)(name, provider=provider)


def _anthropic(url: str) -> Callable[[str], Any]:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(base_url=url, api_key="unused", max_retries=0)
    provider, known = AnthropicProvider(anthropic_client=client), {"supports_json_schema_output": True}
    return lambda name: AnthropicModel(name, provider=provider, profile=known)  # as of models that it knows


class _Agents:
    """The agents of one route. ``thinks``: the settings by which a model of that route shows its thoughts."""

    def __init__(self, model: Callable[[str], Any], thinks: dict[str, Any]) -> None:
        self._model, self.thinks = model, thinks
        self._loop = asyncio.Runner()  # one for all of its connections

    def run(self, name: str, stream: bool, asked: Any, history: Any = None, **more: Any) -> Any:
        """What a run of an agent brings, from a stream once that has ended."""
        return self._loop.run(self._run(name, stream, asked, history, more))

    async def _run(self, name: str, stream: bool, asked: Any, history: Any, more: dict[str, Any]) -> Any:
        from pydantic_ai import Agent

        agent = Agent(self._model(name), **more)
        if not stream:
            result = await agent.run(asked, message_history=history)
            return result.output, result.all_messages(), result.usage
        async with agent.run_stream(asked, message_history=history) as events:
            return await events.get_output(), events.all_messages(), events.usage


def ask_text(agents: _Agents, name: str, stream: bool) -> None:
    limits = {"temperature": 0.5, "max_tokens": 50}
    said, _, usage = agents.run(name, stream, "hello", instructions="Be brief.", model_settings=limits)
    same(said, ANSWER)
    assert usage.output_tokens > 0


def ask_image(agents: _Agents, name: str, stream: bool) -> None:
    from pydantic_ai import BinaryContent

    asked = ["[[sim-echo]] look", BinaryContent(IMAGE, media_type="image/png")]
    same(agents.run(name, stream, asked)[0], "look")


def ask_tools(agents: _Agents, name: str, stream: bool) -> None:
    heard: list[dict[str, str]] = []

    def weather(city: str) -> str:
        heard.append({"city": city})
        return RESULT

    same(agents.run(name, stream, "[[sim-tools]]", tools=[weather])[0], ANSWER)
    same(heard, [ARGUMENTS] * 2)


def ask_structured(agents: _Agents, name: str, stream: bool) -> None:
    from pydantic_ai import NativeOutput

    same(agents.run(name, stream, "[[sim-json]]", output_type=NativeOutput(Place))[0], ARGUMENTS)


def ask_reasoning(agents: _Agents, name: str, stream: bool) -> None:
    said, messages, _ = agents.run(name, stream, "[[sim-reasoning]]", model_settings=agents.thinks)
    same(said, ANSWER)
    same([part.content for part in messages[-1].parts if part.part_kind == "thinking"], [THOUGHT])


def ask_next_turn(agents: _Agents, name: str, stream: bool) -> None:
    """What was thought is told again, as the client does it."""
    history = agents.run(name, stream, "[[sim-reasoning]]", model_settings=agents.thinks)[1]
    asked = "[[sim-recall]] and then?"
    same("and then?" in agents.run(name, stream, asked, history, model_settings=agents.thinks)[0], True)


def ask_error(agents: _Agents, name: str, stream: bool) -> None:
    error: Any = fails(lambda: agents.run(name, stream, "[[sim-context-overflow]]"))
    same(
        (type(error).__name__, error.status_code, TOO_LONG in str(error)),
        ("ModelContextWindowExceededError", 400, True),
    )


_ASKS = {
    "text": ask_text, "image": ask_image, "tools": ask_tools, "structured": ask_structured,
    "reasoning": ask_reasoning, "next turn": ask_next_turn, "error": ask_error,
}  # fmt: skip
_NAME, _LOW = "pydantic-ai-slim", {"openai_reasoning_effort": "low"}
WAYS = (
    Way(_NAME, "chat", lambda url: _Agents(_openai(url, "OpenAIChatModel"), _LOW), _ASKS),
    Way(_NAME, "responses", lambda url: _Agents(
        _openai(url, "OpenAIResponsesModel"), _LOW | {"openai_reasoning_summary": "auto"}
    ), _ASKS),
    Way(_NAME, "messages", lambda url: _Agents(_anthropic(url), {"anthropic_thinking": {"type": "adaptive"}}), _ASKS),
)  # fmt: skip
