"""Reads the conversation in a request, and checks whether a strict provider would accept it."""

import json
from typing import Any, NamedTuple

from lanes.text.chats import dicts


class SimulatedMessage(NamedTuple):
    """One message of a request, in any dialect: who said what, which tools it calls, whose results it brings."""

    role: str
    text: str
    calls: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


def messages_of(body: dict[str, Any]) -> list[SimulatedMessage]:
    """The messages of a request, without system messages."""
    messages = body.get("messages", body.get("input"))
    if isinstance(messages, str):
        return [SimulatedMessage("user", messages)]
    found = [_message(each) for each in messages or () if isinstance(each, dict)]
    return [each for each in found if each.role not in ("system", "developer")]


def word_count(body: dict[str, Any]) -> int:
    """How many words a request has in all its messages."""
    return sum(len(each.text.split()) for each in messages_of(body))


def recited(body: dict[str, Any]) -> str:
    """The conversation as JSON: the role and the text of each message."""
    return json.dumps([[each.role, each.text] for each in messages_of(body)])


def objection(body: dict[str, Any]) -> str | None:
    """Why a strict provider refuses a conversation; None if it takes it."""
    before, calls = "assistant", set[str]()
    for number, each in enumerate(messages_of(body)):
        if not (each.text.strip() or each.calls or each.results):
            return f"messages.{number}: all messages must have non-empty content"
        side = "user" if each.results else each.role
        if side == before and not (each.results and before == "user"):
            return "Conversation roles must alternate user/assistant/user/assistant/..."
        if each.results and not calls.issuperset(each.results):
            return f"messages.{number}: a result without a call"
        calls.difference_update(each.results)
        if calls and not each.results:
            return f"messages.{number}: tool calls must be followed by their results: {', '.join(sorted(calls))}"
        calls |= set(each.calls)
        before = side
    return None


def _message(message: dict[str, Any]) -> SimulatedMessage:
    kind, content = message.get("type"), message.get("content")
    if kind == "function_call":
        return SimulatedMessage("assistant", "", (str(message.get("call_id")),))
    if kind == "function_call_output":
        return SimulatedMessage("tool", str(message.get("output")), (), (str(message.get("call_id")),))
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else dicts(content)
    text = "".join(str(part.get("text", "")) for part in parts)
    calls = [str(part.get("id")) for part in parts if part.get("type") == "tool_use"]
    calls += [str(call.get("id")) for call in dicts(message.get("tool_calls"))]
    results = [str(part.get("tool_use_id")) for part in parts if part.get("type") == "tool_result"]
    if message.get("role") == "tool":
        results.append(str(message.get("tool_call_id")))
    return SimulatedMessage(str(message.get("role")), text, tuple(calls), tuple(results))
