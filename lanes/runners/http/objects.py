"""The JSON objects of an event stream: events of the plain shape are read in one scan, others by the strict parser.

The plain shape is what nearly every provider sends: one line ``data: {…}`` for each event, in newer dialects after a
line with its name. The scan costs half of what the line parser does. It takes a chunk up to its last blank line, where
an event certainly ends, since JSON texts contain no raw line feed.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

from lanes.runners.http.sse import MAX_LINE, ServerSentEvent, SseParser

DONE = ServerSentEvent("message", "[DONE]")

_END = b"\n\n"
_NEXT = "\n\ndata: "
_NAMED = "\n\nevent: "
_DATA = "\ndata: "


def _finite(digits: str) -> float | None:
    return number if math.isfinite(number := float(digits)) else None


#: Reads one value at a position of a text. Numbers that JSON does not have (some servers send NaN) become null, as in
#: JavaScript: they could be neither stored nor passed on.
decode = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None).raw_decode


class ObjectReader:
    """Takes chunks, and returns what they complete: the object of a plain event, else the event. Raises SseError."""

    def __init__(self) -> None:
        self._strict = SseParser()

    def feed(self, chunk: bytes) -> Sequence[dict[str, Any] | ServerSentEvent]:
        """The events that end in this chunk, in order."""
        found: list[dict[str, Any] | ServerSentEvent] = []
        if self._strict.begun:
            begun, end, chunk = chunk.partition(_END)
            found += self._strict.feed(begun + end)
        cut = 0 if self._strict.begun else chunk.rfind(_END) + len(_END)
        if cut >= len(_END) and (plain := objects(chunk[:cut])) is not None:
            found += plain
            chunk = chunk[cut:]
        found += self._strict.feed(chunk)
        return found


def objects(block: bytes) -> list[dict[str, Any] | ServerSentEvent] | None:
    """The objects of a block of plain events: each one line ``data: {…}``, perhaps after a name that equals its
    ``type``. None if any part of the block looks different."""
    if b"\r" in block or len(block) > MAX_LINE:
        return None
    try:
        text = (_END + block).decode()
    except UnicodeDecodeError:
        return None
    found: list[dict[str, Any] | ServerSentEvent] = []
    at = named = 0
    while True:
        name = None
        if text.startswith(_NEXT, at):
            at += len(_NEXT)
        elif text.startswith(_NAMED, at) and (data := text.find(_DATA, at)) > 0:
            name, at, named = text[at + len(_NAMED) : data], data + len(_DATA), named + 1
        else:
            break
        try:
            value, at = decode(text, at)
        except (ValueError, RecursionError):
            if not text.startswith(DONE.data, at):
                return None
            value, at = DONE, at + len(DONE.data)
        if not isinstance(value, dict | ServerSentEvent) or (name and name != _type_of(value)):
            return None
        found.append(value)
    # JSON allows line feeds between its tokens, but in an event stream they end the line.
    plain = at + len(_END) == len(text) and text.count("\n") == len(_END) * (len(found) + 1) + named
    return found if plain else None


def _type_of(value: dict[str, Any] | ServerSentEvent) -> object:
    return value.get("type") if isinstance(value, dict) else None
