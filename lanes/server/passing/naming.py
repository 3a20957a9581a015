"""Finds the name of a request's session, and so its lane."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lanes.base.errors import InvalidKey
from lanes.base.terminal import check_key
from lanes.config.declared.presets import BODY, HEADER, RUNTIME
from lanes_storage.law import MAX_KEY
from lanes_storage.reads.shapes import parsed

#: The longest name of a session: its key also holds the name of the source, and the number of a child lane.
LONGEST = MAX_KEY - 48
#: The line in which OpenClaw tells its agent where it runs.
_RUNTIME = re.compile(r"^Runtime:[^\n]*?\bsession=([^\s|]+)", re.MULTILINE)
_INSTRUCTING = frozenset({"system", "developer"})


def session_of(words: Iterable[str], headers: Mapping[str, str], body: Mapping[str, Any]) -> str | None:
    """The name of the session: the first valid one that a word of ``session_from`` points to; None if there is none."""
    found = (named(word, headers, body) for word in words)
    return next((name for name in found if isinstance(name, str) and _fits(name)), None)


def named(word: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Any:
    """The value that a word of ``session_from`` points to in a request, of any type; None if there is none."""
    if word.startswith(HEADER):
        return headers.get(word.removeprefix(HEADER).lower())
    if word == RUNTIME:
        return next((found[1] for text in _first_texts(body) if (found := _RUNTIME.search(text))), None)
    path, _, within = word.removeprefix(BODY).partition(":")
    value = _at(body, path)
    if within and isinstance(value, str):
        return _at(parsed(value, object), within)
    return value


def _at(node: Any, path: str) -> Any:
    for name in path.split("."):
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _fits(name: str) -> bool:
    try:
        check_key(name)
    except InvalidKey:
        return False
    return len(name) <= LONGEST


def _first_texts(body: Mapping[str, Any]) -> Iterator[str]:
    """The texts that the program itself may have written: its instructions, and the first message of the user."""
    for name in ("system", "instructions"):
        yield from _texts(body.get(name))
    messages = body.get("messages", body.get("input"))
    if isinstance(messages, str):
        yield messages
    for message in messages if isinstance(messages, list) else ():
        role = message.get("role") if isinstance(message, dict) else None
        if role in _INSTRUCTING or role == "user":
            yield from _texts(message.get("content"))
        if role == "user":
            return


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]
