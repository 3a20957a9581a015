"""Summaries for people of chat requests in any dialect, and of replies that are more than text."""

from typing import Any

from lanes_storage.reads.shapes import parsed
from lanes_storage.records import OUTLINE

#: A longer request (in characters) is not parsed for a summary.
LONGEST = 1_000_000
#: The parts of a message that are text.
_TEXTS = frozenset({"text", "input_text"})
#: How messages begin that OpenClaw (2026.9, and 2026.5) adds after the person's, in the same role.
_INJECTED = ("<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>", "Sender (untrusted metadata):")


def last_user_text(request: dict[str, Any]) -> str:
    """The text of the last user message of a chat request; empty where there is none."""
    if isinstance(text := request.get("input"), str):
        return text
    for message in reversed(_messages(request)):
        if message.get("role") == "user" and not _only_results(message):
            content = message.get("content")
            if not isinstance(content, str):
                content = [part for part in dicts(content) if part.get("type") in _TEXTS]
            text = text_of(content)
            if not text.startswith(_INJECTED):
                return text
    return ""


def request_summary(stored: str | None) -> str | None:
    """The last user text of a stored chat request, and the tools whose results it brings; None if there is neither."""
    if stored is None or len(stored) > LONGEST:
        return None
    request = parsed(stored, dict)
    if request is None:
        return None
    if isinstance(outline := request.get(OUTLINE), dict):
        return _outlined(outline)
    text = last_user_text(request)
    results = _results(request)
    brought = f"(results of {', '.join(results)})" if results else ""
    return " ".join(part for part in (text, brought) if part) or None


def _outlined(outline: dict[str, Any]) -> str:
    """The summary of a request that was passed on, of which only an outline is stored."""
    size, model, tools = outline.get("bytes"), outline.get("model"), outline.get("tools")
    parts = [f"{size / 1000:.0f} kB" if isinstance(size, int) else "", str(model or "")]
    parts.append(f"{len(tools)} tools" if isinstance(tools, list) and tools else "")
    return f"(passed on: {', '.join(part for part in parts if part)})"


def tools_of(message: Any) -> tuple[str, ...]:
    """The names of the tools that an assistant message calls."""
    called = message if isinstance(message, dict) else {}
    if called.get("type") == "function_call":
        return (_name(called),)
    if uses := [part for part in dicts(called.get("content")) if part.get("type") == "tool_use"]:
        return tuple(map(_name, uses))
    calls = [call.get("function") for call in dicts(called.get("tool_calls"))] + [called.get("function_call")]
    return tuple(_name(call) for call in calls if isinstance(call, dict))


def _results(request: dict[str, Any]) -> list[str]:
    """The names of the tools whose results end the request: from the message that called them, or else the results."""
    names: list[str] = []
    for message in reversed(_messages(request)):
        if message.get("role") not in ("tool", "function") and message.get("type") != "function_call_output":
            count = len(_results_in(message))
            if names or not count:
                return list(dict.fromkeys(tools_of(message) or names)) if names else []
            names = ["a tool"] * count
            continue
        names.insert(0, _name(message))
    return names


def _name(called: dict[str, Any]) -> str:
    name = called.get("name")
    return name if isinstance(name, str) and name else "a tool"


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    return dicts(request.get("messages", request.get("input")))


def _results_in(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in dicts(message.get("content")) if part.get("type") == "tool_result"]


def _only_results(message: dict[str, Any]) -> bool:
    return bool(results := _results_in(message)) and len(results) == len(dicts(message.get("content")))


def text_of(content: object) -> str:
    """The text of a message's content, which some send as a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(text for part in dicts(content) if isinstance(text := part.get("text"), str))


def dicts(value: object) -> list[dict[str, Any]]:
    """The objects in a list; empty for any other value."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
