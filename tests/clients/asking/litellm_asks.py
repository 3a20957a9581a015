"""``litellm``, through chat, responses and messages: the last as its provider ``anthropic``."""

import json
from typing import Any

from tests.clients.asking.openai_asks import CHAT_TOOL, RESPONSES_TOOL
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


class _Completions:
    """Its function ``completion`` for the models of one of its providers."""

    def __init__(self, provider: str, base: str) -> None:
        import litellm

        litellm.suppress_debug_info = True
        self._litellm = litellm
        self._known = {"api_base": base, "api_key": "unused", "max_retries": 0}
        self._provider = provider

    def completion(self, name: str, stream: bool, messages: list[Any], **more: Any) -> Any:
        """The message of a completion, from a stream as its own helper adds it up."""
        model = f"{self._provider}/{name}"
        if not stream:
            return self._litellm.completion(model=model, messages=messages, **self._known, **more).choices[0].message
        more |= {"stream": True, "stream_options": {"include_usage": True}}
        chunks = [*self._litellm.completion(model=model, messages=messages, **self._known, **more)]
        return self._litellm.stream_chunk_builder(chunks, messages=messages).choices[0].message

    def response(self, name: str, stream: bool, given: Any, **more: Any) -> Any:
        """A response, as its last event has it where it is streamed."""
        model = f"{self._provider}/{name}"
        made = self._litellm.responses(model=model, input=given, stream=stream, **self._known, **more)
        return [*made][-1].response if stream else made


def _user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def ask_text(client: _Completions, name: str, stream: bool) -> None:
    said = client.completion(name, stream, _user("hello"), temperature=0.5, max_tokens=50)
    same(said.content, ANSWER)


def ask_image(client: _Completions, name: str, stream: bool) -> None:
    parts = [{"type": "text", "text": "[[sim-echo]] look"}, {"type": "image_url", "image_url": {"url": URL}}]
    same(client.completion(name, stream, _user(parts)).content, "look")


def ask_tools(client: _Completions, name: str, stream: bool) -> None:
    asked, more = _user("[[sim-tools]]"), {"tools": [CHAT_TOOL]}
    said = client.completion(name, stream, asked, **more)
    same([json.loads(call.function.arguments) for call in said.tool_calls], [ARGUMENTS] * 2)
    asked.append(said.model_dump(exclude_none=True))
    asked += [{"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in said.tool_calls]
    same(client.completion(name, stream, asked, **more).content, ANSWER)


def ask_structured(client: _Completions, name: str, stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    said = client.completion(name, stream, _user("[[sim-json]]"), response_format=form)
    same(json.loads(said.content), ARGUMENTS)


def ask_structured_by_tool(client: _Completions, name: str, stream: bool) -> None:
    """For a model that it does not know, its provider ``anthropic`` asks for a call of a tool of that form."""
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    said = client.completion(name, stream, _user("[[sim-tool]]"), response_format=form)
    same(json.loads(said.content), ARGUMENTS)


def ask_reasoning(client: _Completions, name: str, stream: bool) -> None:
    said = client.completion(name, stream, _user("[[sim-reasoning]]"))
    same((said.content, said.reasoning_content), (ANSWER, THOUGHT))


def ask_next_turn(client: _Completions, name: str, stream: bool) -> None:
    """What was thought is told again, as the client got it."""
    asked = _user("[[sim-reasoning]]")
    asked.append(client.completion(name, stream, asked).model_dump(exclude_none=True))
    asked += _user("[[sim-recall]] and then?")
    same("and then?" in client.completion(name, stream, asked).content, True)


def ask_error(client: _Completions, name: str, stream: bool) -> None:
    error = fails(lambda: client.completion(name, stream, _user("[[sim-context-overflow]]")))
    same((type(error).__name__, TOO_LONG in str(error)), ("ContextWindowExceededError", True))


def _text(said: Any) -> str:
    return "".join(part.text for item in said.output if item.type == "message" for part in item.content)


def responses_text(client: _Completions, name: str, stream: bool) -> None:
    said = client.response(name, stream, "hello", instructions="Be brief.", max_output_tokens=50)
    same(_text(said), ANSWER)


def responses_image(client: _Completions, name: str, stream: bool) -> None:
    parts = [{"type": "input_text", "text": "[[sim-echo]] look"}, {"type": "input_image", "image_url": URL}]
    same(_text(client.response(name, stream, _user(parts))), "look")


def responses_tools(client: _Completions, name: str, stream: bool) -> None:
    asked, more = _user("[[sim-tools]]"), {"tools": [RESPONSES_TOOL]}
    calls = [item for item in client.response(name, stream, asked, **more).output if item.type == "function_call"]
    same([json.loads(call.arguments) for call in calls], [ARGUMENTS] * 2)
    asked += [call.model_dump(include={"type", "call_id", "name", "arguments"}) for call in calls]
    asked += [{"type": "function_call_output", "call_id": call.call_id, "output": RESULT} for call in calls]
    same(_text(client.response(name, stream, asked, **more)), ANSWER)


def responses_structured(client: _Completions, name: str, stream: bool) -> None:
    form = {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}
    same(json.loads(_text(client.response(name, stream, "[[sim-json]]", text=form))), ARGUMENTS)


def responses_reasoning(client: _Completions, name: str, stream: bool) -> None:
    said = client.response(name, stream, "[[sim-reasoning]]", reasoning={"effort": "low", "summary": "auto"})
    same(_text(said), ANSWER)
    (thought,) = [item for item in said.output if item.type == "reasoning"]
    (part,) = thought.summary
    same(part["text"] if isinstance(part, dict) else part.text, THOUGHT)


def responses_next_turn(client: _Completions, name: str, stream: bool) -> None:
    """What was thought is told again, as the client got it."""
    asked = _user("[[sim-reasoning]]")
    more = {"include": ["reasoning.encrypted_content"], "store": False}
    asked += [item.model_dump(exclude_none=True) for item in client.response(name, stream, asked, **more).output]
    asked += _user("[[sim-recall]] and then?")
    same("and then?" in _text(client.response(name, stream, asked, **more)), True)


def responses_error(client: _Completions, name: str, stream: bool) -> None:
    error = fails(lambda: client.response(name, stream, "[[sim-context-overflow]]"))
    same((type(error).__name__, TOO_LONG in str(error)), ("ContextWindowExceededError", True))


_ASKS = {
    "text": ask_text, "image": ask_image, "tools": ask_tools, "structured": ask_structured,
    "reasoning": ask_reasoning, "next turn": ask_next_turn, "error": ask_error,
}  # fmt: skip
WAYS = (
    Way("litellm", "chat", lambda url: _Completions("openai", f"{url}/v1"), _ASKS),
    Way("litellm", "responses", lambda url: _Completions("openai", f"{url}/v1"), {
        "text": responses_text, "image": responses_image, "tools": responses_tools,
        "structured": responses_structured, "reasoning": responses_reasoning, "next turn": responses_next_turn,
        "error": responses_error,
    }),
    Way("litellm", "messages", lambda url: _Completions("anthropic", url), {
        **_ASKS, "structured": ask_structured_by_tool,
    }),
)  # fmt: skip
