"""A strict, incremental parser of server-sent events, bounded in what it keeps.

It works on bytes and decodes whole events only, so a character may be split over chunks anywhere.
"""

from typing import NamedTuple

#: The largest line and the largest event, in bytes.
MAX_LINE = 4 * 1024 * 1024
MAX_EVENT = 4 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class SseError(ValueError):
    """The bytes are not an event stream, or the stream is too large to keep."""


class ServerSentEvent(NamedTuple):
    """One event: its name (``message`` where none is given) and its data lines, joined by line feeds."""

    name: str
    data: str


class SseParser:
    """Takes chunks, and returns the events that they complete.

    Lines end with LF, CR or CR LF. Comments, ids and retry times are ignored. A line ``error: …`` is data of an event
    ``error``. An event that the stream does not complete with an empty line is never given. Raises SseError.
    """

    def __init__(self, max_line: int = MAX_LINE, max_event: int = MAX_EVENT) -> None:
        self._max_line, self._max_event = max_line, max_event
        self._rest = bytearray()  # the line that has begun
        self._after_cr = False  # a LF that comes next ends the same line
        self._first = True
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that end in this chunk, in order."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return []
        lines = chunk.splitlines(keepends=True)
        tail = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        events = [event for line in lines if (event := self._ended(line)) is not None]
        self._rest += tail
        self._bound(len(self._rest), self._max_line, "line")
        self._after_cr = not tail and chunk.endswith(b"\r")
        return events

    @property
    def begun(self) -> bool:
        """Whether the next bytes continue an incomplete line or event."""
        return bool(self._first or self._after_cr or self._rest or self._data or self._name)

    def _ended(self, line: bytes) -> ServerSentEvent | None:
        line = line.rstrip(b"\r\n")
        if self._rest:
            line = bytes(self._rest) + line
            self._rest.clear()
        self._bound(len(line), self._max_line, "line")
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._add(value.removeprefix(b" "))
        elif name == b"event":
            self._name = value.removeprefix(b" ")
        elif name == b"error":  # of llama.cpp until 2025: a field that the standard does not have
            self._name = name
            self._add(value.removeprefix(b" "))
        return None

    def _add(self, value: bytes) -> None:
        self._size += len(value) + 1
        self._bound(self._size, self._max_event, "event")
        self._data.append(value)

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = b"", [], 0
        if not data:
            return None
        return ServerSentEvent(_text(name) or "message", _text(b"\n".join(data)))

    def _bound(self, size: int, limit: int, part: str) -> None:
        if size > limit:
            raise SseError(f"a {part} of more than {limit} bytes")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SseError("the event is not UTF-8") from error
