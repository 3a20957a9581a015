"""Reads the JSON of a client field by field, so that none is ignored: a field that was not taken is refused by name."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from lanes.dialects.model import Option, Part, TextPart, ToolChoice, Untranslatable

T = TypeVar("T")

#: Settings that change how an answer is computed, not the answer: they are left out of a translated request.
HINTS = ("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "safety_identifier")

_DATA = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
_CALLED: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


class Node:
    """One object of a request, and its place there (``messages[2]``). A field that is null counts as missing."""

    def __init__(self, value: Any, param: str = "") -> None:
        if not isinstance(value, dict):
            raise refused(param or "request", "it must be an object")
        self.param = param
        self._left = {name: given for name, given in value.items() if given is not None}

    def place(self, name: str) -> str:
        """The place of a field."""
        return f"{self.param}.{name}" if self.param else name

    def take(self, name: str, kind: type[T]) -> T | None:
        """A field that may be missing. Raises Untranslatable."""
        value = self._left.pop(name, None)
        if value is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
            return value
        raise refused(self.place(name), f"it must be {_CALLED[kind]}")

    def need(self, name: str, kind: type[T]) -> T:
        """A field that must be there. Raises Untranslatable."""
        value = self.take(name, kind)
        if value is None:
            raise refused(self.place(name), "it is missing")
        return value

    def any(self, name: str) -> Any:
        """A field of whatever type, None where it is missing."""
        return self._left.pop(name, None)

    def node(self, name: str) -> "Node | None":
        """A field that is an object."""
        value = self.take(name, dict)
        return None if value is None else Node(value, self.place(name))

    def nodes(self, name: str) -> "list[Node]":
        """A field that is a list of objects; a missing one is empty."""
        return list(_nodes(self.take(name, list) or [], self.place(name)))

    def content(self, name: str) -> "str | list[Node]":
        """A field that is a text or a list of parts; a missing one is an empty list."""
        value = self._left.pop(name, None)
        if isinstance(value, str):
            return value
        if not isinstance(value, list | None):
            raise refused(self.place(name), "it must be a text or a list of parts")
        return list(_nodes(value or [], self.place(name)))

    def parts(self, name: str, part: "Callable[[Node], Part]") -> list[Part]:
        """A field that is a text or a list of parts, as parts; ``part`` reads one. Raises Untranslatable."""
        content = self.content(name)
        return [TextPart(content)] if isinstance(content, str) else [part(each) for each in content]

    def leave(self, *names: str) -> None:
        """Drop fields that do not change the answer."""
        for name in names:
            self._left.pop(name, None)

    def rest(self) -> Iterator[tuple[str, Option]]:
        """The fields that were not taken, as options, without empty lists and objects."""
        for name, value in self._left.items():
            if value in ([], {}):
                continue
            yield name, Option(value, self.place(name))

    def done(self) -> None:
        """Raises Untranslatable if a field was not taken."""
        for name in self._left:
            raise untranslatable(self.place(name))


def tool_choice(node: Node, called: Callable[[Node], Node | None]) -> dict[str, Option]:
    """The choice of a tool in OpenAI's form; ``called`` gives the object that names it. Raises Untranslatable."""
    given = node.any("tool_choice")
    if given is None:
        return {}
    if given in ("auto", "none", "required"):
        return {"tool_choice": Option(ToolChoice(given), "tool_choice")}
    chosen = Node(given, "tool_choice") if isinstance(given, dict) else None
    function = called(chosen) if chosen is not None and chosen.take("type", str) == "function" else None
    if function is None:
        raise untranslatable("tool_choice")
    return {"tool_choice": Option(ToolChoice("named", function.need("name", str)), "tool_choice")}


def check_messages(body: Mapping[str, Any]) -> None:
    """Refuse a body without a list of messages. Raises Untranslatable."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise Untranslatable("messages", "messages must be a list of at least one message")


def refused(param: str, why: str) -> Untranslatable:
    """The refusal of one part of a request."""
    return Untranslatable(param, f"{param}: {why}")


def untranslatable(param: str) -> Untranslatable:
    """The refusal of what another dialect cannot express."""
    return refused(param, "the provider speaks another dialect, which cannot express it")


def unknown_tool(node: Node, kind: str) -> Untranslatable:
    """The refusal of a tool of a type that not every dialect has."""
    return refused(node.param, f"the provider speaks another dialect, which has no tools of type {kind!r}")


def unknown_role(node: Node, role: str) -> Untranslatable:
    """The refusal of a message of a role that not every dialect has."""
    return refused(node.place("role"), f"role {role!r} has no equivalent in the other dialects")


def _nodes(values: list[Any], param: str) -> Iterator[Node]:
    return (Node(value, f"{param}[{at}]") for at, value in enumerate(values))


def data_of(url: str) -> tuple[str, str] | None:
    """The media type and the base64 text of a ``data:`` URL; None if it is another URL, or no base64."""
    found = _DATA.fullmatch(url)
    if found is None:
        return None
    try:
        base64.b64decode(found[2], validate=True)
    except ValueError:
        return None
    return found[1], found[2]
