"""Finds and sets values in JSON files that have comments, trailing commas, or names without quotes (JSON5)."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from lanes.base.errors import ConfigError

_SPACE = re.compile(r"(?:[\s\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.DOTALL)
_WORD = re.compile(r"[^\s,:{}\[\]/\"']+")


class JsonNode(NamedTuple):
    """A value and where it stands. ``members`` are those of an object; any other value has none."""

    start: int
    end: int
    value: Any
    members: "dict[str, JsonNode] | None" = None


class Edit(NamedTuple):
    """The text from ``start`` to ``end`` becomes ``ours``."""

    start: int
    end: int
    ours: str


def parse(text: str) -> JsonNode:
    """The value in a file; an empty file is an empty object. Raises ConfigError."""
    at = _skip(text, 0)
    if at == len(text):
        return JsonNode(at, at, {}, {})
    try:
        node = _value(text, at)
    except RecursionError:
        raise ConfigError("its file is nested too deep; nothing was changed") from None
    if _skip(text, node.end) != len(text):
        raise _wrong(text, node.end)
    return node


def node_at(node: JsonNode, path: Sequence[str]) -> JsonNode | None:
    """The value at a path; None if there is none."""
    for name in path:
        if node.members is None or name not in node.members:
            return None
        node = node.members[name]
    return node


def setting(text: str, path: Sequence[str], value: Any) -> Edit:
    """The edit that sets the value at a path, and changes nothing else. Raises ConfigError."""
    node, depth = parse(text), 0
    if node.start == node.end:
        gap = "" if not text or text.endswith("\n") else "\n"
        return Edit(len(text), len(text), gap + json.dumps(_nested(path, value), indent=2) + "\n")
    while depth < len(path) and node.members is not None and path[depth] in node.members:
        node, depth = node.members[path[depth]], depth + 1
    if depth == len(path):
        return Edit(node.start, node.end, json.dumps(value))
    if node.members is None:
        raise ConfigError(f"{'.'.join(path[:depth]) or 'the file'} is not an object there; nothing was changed")
    value_text = json.dumps(_nested(path[depth + 1 :], value), indent=2).replace("\n", "\n" + "  " * (depth + 1))
    more = "," if node.members else "\n" + "  " * depth
    return Edit(node.start + 1, node.start + 1, f"\n{'  ' * (depth + 1)}{json.dumps(path[depth])}: {value_text}{more}")


def _nested(path: Sequence[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _value(text: str, at: int) -> JsonNode:
    if text[at : at + 1] == "{":
        return _object(text, at)
    if text[at : at + 1] == "[":
        return _array(text, at)
    if string := _STRING.match(text, at):
        return JsonNode(at, string.end(), _unquoted(string[0]))
    if word := _WORD.match(text, at):
        try:
            return JsonNode(at, word.end(), json.loads(word[0]))
        except ValueError:
            return JsonNode(at, word.end(), word[0])
    raise _wrong(text, at)


def _object(text: str, start: int) -> JsonNode:
    members: dict[str, JsonNode] = {}
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        name = _STRING.match(text, at) or _WORD.match(text, at)
        if name is None:
            raise _wrong(text, at)
        at = _skip(text, name.end())
        if text[at : at + 1] != ":":
            raise _wrong(text, at)
        node = _value(text, _skip(text, at + 1))
        members[_unquoted(name[0])] = node
        at = _after(text, node.end, "}")
    return JsonNode(start, at + 1, {name: node.value for name, node in members.items()}, members)


def _array(text: str, start: int) -> JsonNode:
    items = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "]":
        node = _value(text, at)
        items.append(node.value)
        at = _after(text, node.end, "]")
    return JsonNode(start, at + 1, items)


def _after(text: str, at: int, closing: str) -> int:
    """The place after a comma, or of the closing bracket."""
    at = _skip(text, at)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] != closing:
        raise _wrong(text, at)
    return at


def _unquoted(word: str) -> str:
    if word.startswith('"'):
        try:
            return str(json.loads(word))
        except ValueError:
            return word[1:-1]
    return word[1:-1] if word.startswith("'") else word


def _wrong(text: str, at: int) -> ConfigError:
    return ConfigError(f"line {text.count(chr(10), 0, at) + 1} cannot be read as JSON; nothing was changed")
