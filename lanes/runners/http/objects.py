"""The JSON objects of an event stream: whole events of the plain shape by one scan, all else by the strict parser.

What nearly every provider sends, one line of ``data: {…}`` for each event, in the newer dialects behind its name, costs
half of what the parser by lines does.
What is plain ends at its last blank line: a text of JSON holds no raw line feed.
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


#: Reads one value at the start of a text. What is no number of JSON (some servers send NaN) is null, as in JavaScript:
#: neither could it be stored, nor passed on.
decode = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None).raw_decode


class ObjectReader:
    """Feed it chunks, and it gives what they complete: an object where that was plain, else the event. SseError."""

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
    """The objects of whole events, each one line ``data: {…}``, perhaps behind a name that is its ``type``; None where
    anything looks otherwise."""
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
    # A line feed anywhere else, as JSON may have it between its parts, would make two lines of one.
    plain = at + len(_END) == len(text) and text.count("\n") == len(_END) * (len(found) + 1) + named
    return found if plain else None


def _type_of(value: dict[str, Any] | ServerSentEvent) -> object:
    return value.get("type") if isinstance(value, dict) else None
