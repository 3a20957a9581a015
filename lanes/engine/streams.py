"""Replies on their way to whoever listens, piece by piece."""

import asyncio
from collections.abc import Callable, Iterator

from lanes.runners.base import Delta


class Listener:
    """One reader of a message's reply. It gets every piece from the beginning on."""

    def __init__(self, stream: "ReplyStream") -> None:
        self._stream = stream
        self._at = 0
        self._news = asyncio.Event()

    async def get(self) -> Delta | None:
        """The next piece; None once the message has reached a terminal state (read it then)."""
        while True:
            piece = self._stream.piece(self._at)
            if piece is not None:
                self._at += 1
                return piece
            if self._stream.ended:
                return None
            self._news.clear()
            await self._news.wait()

    def ready(self) -> Iterator[Delta]:
        """The pieces that are there already, without waiting."""
        while (piece := self._stream.piece(self._at)) is not None:
            self._at += 1
            yield piece

    def close(self) -> None:
        """Stop listening."""
        self._stream.leave(self)

    def tell(self) -> None:
        """Something is new; called by the stream."""
        self._news.set()


class ReplyStream:
    """The pieces of one message's reply. Belongs to the event loop."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._pieces: list[Delta] = []
        self._listeners: set[Listener] = set()
        self._forget = forget
        self.ended = False
        self.reached_caller = False

    @property
    def listened(self) -> bool:
        """Whether anyone listens."""
        return bool(self._listeners)

    def listen(self) -> Listener:
        """A new reader."""
        listener = Listener(self)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """One reader less; the last one to leave an ended stream clears it away."""
        self._listeners.discard(listener)
        self._clear_away()

    def put(self, *pieces: Delta) -> None:
        """Hand pieces to every reader, and keep them for those who come later."""
        self._pieces.extend(pieces)
        self._tell()

    def piece(self, at: int) -> Delta | None:
        """The piece at a position, or None while there is none. Taking one means that it reached a caller."""
        if at >= len(self._pieces):
            return None
        self.reached_caller = True
        return self._pieces[at]

    def discard(self) -> None:
        """Forget pieces that nobody has seen, before another attempt begins."""
        if not self.reached_caller:
            self._pieces.clear()

    def end(self) -> None:
        """The message has reached a terminal state."""
        self.ended = True
        self._tell()
        self._clear_away()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.tell()

    def _clear_away(self) -> None:
        if self.ended and not self._listeners:
            self._forget()


class Streams:
    """The reply streams of a gateway, by message."""

    def __init__(self) -> None:
        self._streams: dict[int, ReplyStream] = {}

    def of(self, message_id: int) -> ReplyStream:
        """The stream of a message, made when it is first asked for."""
        stream = self._streams.get(message_id)
        if stream is None:
            stream = ReplyStream(lambda: self._forget(message_id))
            self._streams[message_id] = stream
        return stream

    def end(self, message_id: int) -> None:
        """End the stream of a message, if anybody ever asked for it."""
        stream = self._streams.get(message_id)
        if stream is not None:
            stream.end()

    def release(self, message_id: int) -> None:
        """A run is over, its message is not: forget its stream unless someone listens."""
        stream = self._streams.get(message_id)
        if stream is not None and not stream.listened:
            self._forget(message_id)

    def end_all(self) -> None:
        """End every stream: the gateway stops."""
        for stream in list(self._streams.values()):
            stream.end()

    def _forget(self, message_id: int) -> None:
        self._streams.pop(message_id, None)
