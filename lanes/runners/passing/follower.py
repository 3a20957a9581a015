"""Reads a stream while it is passed on, without keeping it: signs of life, the end, and the usage."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from lanes.dialects.messages.draft import usage_in_chat as messages_usage
from lanes.dialects.responses.draft import usage_in_chat as responses_usage
from lanes.runners.http.objects import DONE, ObjectReader
from lanes.runners.http.sse import ServerSentEvent, SseError
from lanes.runners.http.unpacking import PACKED, PLAIN, STEP, unpacker
from lanes_storage.reads.shapes import parsed

#: The name of an event that reports an error, and the key of the error in it.
ERROR = "error"
#: How many bytes of an unpacked body are read.
LONGEST_START = 4_194_304


class SignOfLife(NamedTuple):
    """What an event shows. ``alive``: it ends the silence. ``finished``: it says that the answer is complete, and
    ``ended`` that nothing follows. ``failed``: it reports an error with this code."""

    alive: bool = True
    ended: bool = False
    finished: bool = False
    failed: str | None = None
    usage: dict[str, Any] | None = None
    model: str | None = None
    response: str | None = None  # of responses: its id, and the number of the event
    sequence: int | None = None


Reading = Callable[[dict[str, Any]], SignOfLife]


def of_chat(event: dict[str, Any]) -> SignOfLife:
    """The sign in a chunk of chat; its end is ``[DONE]``."""
    choices, usage = event.get("choices"), event.get("usage")
    alive, finished = bool(choices) or isinstance(usage, dict), False
    if isinstance(choices, list):
        finished = any(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices)
    return SignOfLife(alive, False, finished, _error(event.get("error")), _dict(usage), _text(event, "model"))


def of_responses(event: dict[str, Any]) -> SignOfLife:
    """The sign in an event of responses."""
    kind, response = event.get("type"), _dict(event.get("response")) or {}
    ended = kind in ("response.completed", "response.failed", "response.incomplete")
    error = _error(response.get("error") if kind == "response.failed" else event.get("error", event))
    failed = error if kind in ("response.failed", "error") else None
    alive = kind not in ("response.in_progress", "response.queued")
    usage, number = _dict(response.get("usage")) if ended else None, event.get("sequence_number")
    named = _text(response, "id"), number if isinstance(number, int) else None
    return SignOfLife(alive, ended, ended, failed, usage, _text(response, "model"), *named)


def of_messages(event: dict[str, Any]) -> SignOfLife:
    """The sign in an event of messages; its usage comes in parts."""
    kind, message = event.get("type"), _dict(event.get("message")) or {}
    failed = _error(event.get("error")) if kind == "error" else None
    usage, ended = _dict(event.get("usage")) or _dict(message.get("usage")), kind == "message_stop"
    finished = ended or bool((_dict(event.get("delta")) or {}).get("stop_reason"))
    return SignOfLife(kind != "ping", ended, finished, failed, usage, _text(message, "model"))


READINGS: dict[str, Reading] = {"chat": of_chat, "responses": of_responses, "messages": of_messages}
#: Converts the usage object of each dialect to that of chat.
USAGES: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "chat": lambda usage: usage,
    "responses": responses_usage,
    "messages": messages_usage,
}


class Follower:
    """Follows one event stream of a dialect. What cannot be read is passed all the same, and counts as a sign."""

    def __init__(self, dialect: str, encoding: str) -> None:
        self.ended = self.finished = False
        self.failed: str | None = None
        self.usage: dict[str, Any] = {}
        self.model: str | None = None
        self.response: str | None = None
        self.sequence = 0
        #: Whether the stream is between two events, so that another event may be inserted.
        self.between = True
        self._read = READINGS[dialect]
        # Streams with another compression cannot be read: each of their chunks counts as a sign of life.
        self._reader: ObjectReader | None = ObjectReader() if encoding in (PLAIN, *PACKED) else None
        self._packed = unpacker() if encoding in PACKED else None
        self._tail = b"\n\n"

    @property
    def plain(self) -> bool:
        """Whether text can be added to the stream."""
        return self._reader is not None and self._packed is None

    async def take(self, chunk: bytes) -> bool:
        """Follow a chunk; returns whether it is a sign of life."""
        self._tail = (self._tail + chunk)[-4:].replace(b"\r\n", b"\n")
        self.between = self._tail.endswith((b"\n\n", b"\r\r"))
        if self._reader is None:
            return True
        signs = list[bool]()
        try:
            async for text in _texts(chunk, self._packed):
                signs += [self._sign(event) for event in self._reader.feed(text)]
        except (SseError, zlib.error):
            self._reader = None
            return True
        return any(signs)

    def close(self) -> bool:
        """End the stream; returns whether a complete answer or an error came, True also if the stream is unreadable."""
        if self._reader is None:
            return True
        with contextlib.suppress(SseError):
            for event in self._reader.feed(b"\n\n"):  # some leave out the blank line behind the last event
                self._sign(event)
        return self.finished or self.failed is not None

    def _sign(self, event: dict[str, Any] | ServerSentEvent) -> bool:
        if isinstance(event, ServerSentEvent):
            if event.data.strip() == DONE.data:
                self.ended = self.finished = True
                return True
            fields: dict[str, Any] = parsed(event.data, dict) or {}
            name: object = event.name
        else:
            fields, name = event, event.get("type")
        if name == ERROR and ERROR not in fields:  # the whole event is the error
            fields = {**fields, "type": ERROR, ERROR: fields}
        sign = self._read(fields)
        self.ended |= sign.ended
        self.finished |= sign.finished
        self.failed = self.failed or sign.failed
        self.usage |= sign.usage or {}
        self.model = sign.model or self.model
        self.response = sign.response or self.response
        self.sequence = self.sequence if sign.sequence is None else sign.sequence
        return sign.alive


async def _texts(chunk: bytes, packed: "zlib._Decompress | None") -> AsyncIterator[bytes]:
    """The text of a chunk, unpacked in small steps between which other tasks have their turn. Raises zlib.error if it
    unpacks to more than any real chunk."""
    if packed is None:
        yield chunk
    unpacked = 0
    while packed is not None and chunk:
        yield packed.decompress(chunk, STEP)
        chunk, unpacked = packed.unconsumed_tail, unpacked + STEP
        if chunk and unpacked >= LONGEST_START:
            raise zlib.error
        await asyncio.sleep(0)


def _error(error: Any) -> str | None:
    """The code of an error; never its text, which may repeat the conversation."""
    if not isinstance(error, dict):
        return "error" if error else None
    codes = (error.get(name) for name in ("code", "type"))
    return next((code for code in codes if isinstance(code, str) and code.isascii() and len(code) <= 64), "error")


def _dict(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _text(holder: dict[str, Any], name: str) -> str | None:
    value = holder.get(name)
    return value if isinstance(value, str) else None


def unpacked_start(body: bytes, encoding: str) -> bytes:
    """The start of a packed body; empty if it cannot be read."""
    if encoding not in PACKED:
        return b""
    try:
        return unpacker().decompress(body, LONGEST_START)
    except zlib.error:
        return b""
