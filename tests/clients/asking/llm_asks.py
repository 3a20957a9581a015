"""``llm``, through chat and through responses: its models are those of its own file for further models."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.clients.asking.scene import (
    ANSWER,
    ARGUMENTS,
    IMAGE,
    PROVIDERS,
    RESULT,
    SCHEMA,
    THOUGHT,
    TOO_LONG,
    Way,
    fails,
    same,
)


def weather(city: str) -> str:
    """The weather of a city."""
    same(city, ARGUMENTS["city"])
    return RESULT


def _made(responses: bool) -> Callable[[str], Any]:
    """A client is a function that gives the model of a provider."""

    def made(url: str) -> Any:
        os.environ["LLM_USER_PATH"] = tempfile.mkdtemp(prefix="llm-")
        can = {"supports_schema": True, "supports_tools": True, "vision": True, "reasoning": True}
        models = [
            {"model_id": f"lanes/{name}", "model_name": name, "api_base": f"{url}/v1", "responses": responses, **can}
            for name in PROVIDERS
        ]
        Path(os.environ["LLM_USER_PATH"], "extra-openai-models.yaml").write_text(json.dumps(models), encoding="utf-8")
        import llm

        return lambda name: llm.get_model(f"lanes/{name}")

    return made


def ask_text(model_of: Any, name: str, stream: bool) -> None:
    said = model_of(name).prompt("hello", system="Be brief.", stream=stream, temperature=0.5, max_tokens=50)
    same(said.text(), ANSWER)
    assert said.usage().output > 0


def ask_image(model_of: Any, name: str, stream: bool) -> None:
    import llm

    image = llm.Attachment(type="image/png", content=IMAGE)
    same(model_of(name).prompt("[[sim-echo]] look", attachments=[image], stream=stream).text(), "look")


def ask_tools(model_of: Any, name: str, stream: bool) -> None:
    first, then = model_of(name).chain("[[sim-tools]]", tools=[weather], stream=stream).responses()
    same([call.arguments for call in first.tool_calls()], [ARGUMENTS] * 2)
    same(then.text(), ANSWER)


def ask_structured(model_of: Any, name: str, stream: bool) -> None:
    same(json.loads(model_of(name).prompt("[[sim-json]]", schema=SCHEMA, stream=stream).text()), ARGUMENTS)


def ask_reasoning(model_of: Any, name: str, stream: bool) -> None:
    events = [*model_of(name).prompt("[[sim-reasoning]]", stream=stream, reasoning_effort="low").stream_events()]
    same("".join(event.chunk for event in events if event.type == "text"), ANSWER)
    same("".join(event.chunk for event in events if event.type == "reasoning"), THOUGHT)


def ask_next_turn(model_of: Any, name: str, stream: bool) -> None:
    """What was thought is told again, as the client does it."""
    conversation = model_of(name).conversation()
    same(conversation.prompt("[[sim-reasoning]]", stream=stream).text(), ANSWER)
    same("and then?" in conversation.prompt("[[sim-recall]] and then?", stream=stream).text(), True)


def ask_error(model_of: Any, name: str, stream: bool) -> None:
    error = fails(lambda: model_of(name).prompt("[[sim-context-overflow]]", stream=stream).text())
    same((type(error).__name__, TOO_LONG in str(error)), ("BadRequestError", True))


_ASKS = {
    "text": ask_text, "image": ask_image, "tools": ask_tools, "structured": ask_structured,
    "reasoning": ask_reasoning, "next turn": ask_next_turn, "error": ask_error,
}  # fmt: skip
WAYS = (
    Way("llm", "chat", _made(False), _ASKS | {"reasoning": "not shown by it"}),
    Way("llm", "responses", _made(True), _ASKS),
)
