"""Replies on their way to whoever listens, piece by piece. A stream belongs to a run.

A message that is run again, after its run was cut or parked, has another stream: what the first run said is void, and
who has heard of it is told to begin again.
"""

import asyncio
from collections.abc import Callable

from lanes.runners.base import BEGIN_AGAIN, Delta


class Listener:
    """One reader of a message's reply. It gets every piece of the run that answers it, from its beginning on.

    When another run begins after a piece was taken, the next one is ``BEGIN_AGAIN``: what came before is void.
    """

    def __init__(self, stream: "ReplyStream") -> None:
        self._stream = stream
        self._run = stream.run
        self._at = 0
        self._news = asyncio.Event()

    @property
    def void(self) -> bool:
        """Whether what was taken is of a run that did not bring the message to its end, as far as is known here."""
        return self._at > 0 and self._run.cut

    async def get(self) -> Delta | None:
        """The next piece; None once the message has reached a terminal state (read it then)."""
        while True:
            piece = self._take()
            if piece is not None:
                return piece
            if self._stream.ended:
                return None
            self._news.clear()
            await self._news.wait()

    async def batch(self) -> list[Delta]:
        """The next pieces, all that are there; none once the message has reached a terminal state."""
        piece = await self.get()
        if piece is None:
            return []
        further = self._run.behind(self._at)
        self._at += len(further)
        return [piece, *further]

    def close(self) -> None:
        """Stop listening."""
        self._stream.leave(self)

    def tell(self) -> None:
        """Something is new; called by the stream."""
        self._news.set()

    def _take(self) -> Delta | None:
        if self._run is not self._stream.run:
            heard, self._run, self._at = self._at > 0, self._stream.run, 0
            if heard:
                return BEGIN_AGAIN
        piece = self._run.piece(self._at)
        if piece is not None:
            self._at += 1
        return piece


class RunStream:
    """The pieces of one run's reply. Belongs to the event loop."""

    def __init__(self, message: "ReplyStream") -> None:
        self._pieces: list[Delta] = []
        self._message = message
        self.reached_caller = False
        self.cut = False  # it is over, and its message is not

    def listen(self) -> Listener:
        """A new reader of the message."""
        return self._message.listen()

    def put(self, *pieces: Delta) -> None:
        """Hand pieces to every reader, and keep them for those who come later."""
        self._pieces.extend(pieces)
        self._message.tell()

    def piece(self, at: int) -> Delta | None:
        """The piece at a position, or None while there is none. Taking one means that it reached a caller."""
        if at >= len(self._pieces):
            return None
        self.reached_caller = True
        return self._pieces[at]

    def behind(self, at: int) -> list[Delta]:
        """The pieces from a position on, which reach a caller with that."""
        pieces = self._pieces[at:]
        self.reached_caller |= bool(pieces)
        return pieces

    def discard(self) -> None:
        """Forget pieces that nobody has seen, before another attempt begins."""
        if not self.reached_caller:
            self._pieces.clear()


class ReplyStream:
    """What the runs of one message say. Belongs to the event loop."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._listeners: set[Listener] = set()
        self._forget = forget
        self.run = RunStream(self)
        self.ended = False

    @property
    def listened(self) -> bool:
        """Whether anyone listens."""
        return bool(self._listeners)

    def begin(self) -> RunStream:
        """The stream of a run that begins now. Readers of an earlier one are told so with their next piece."""
        self.run = RunStream(self)
        self.tell()
        return self.run

    def listen(self) -> Listener:
        """A new reader."""
        listener = Listener(self)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """One reader less; the last one to leave an ended stream clears it away."""
        self._listeners.discard(listener)
        self._clear_away()

    def end(self) -> None:
        """The message has reached a terminal state."""
        self.ended = True
        self.tell()
        self._clear_away()

    def tell(self) -> None:
        """Wake every reader."""
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

    def release(self, message_id: int, run: RunStream | None) -> None:
        """A run is over, its message is not: forget its stream unless someone listens, or the next run has begun."""
        stream = self._streams.get(message_id)
        if run is None or stream is None or stream.run is not run:
            return
        run.cut = True
        if not stream.listened:
            self._forget(message_id)

    def end_all(self) -> None:
        """End every stream: the gateway stops."""
        for stream in list(self._streams.values()):
            stream.end()

    def _forget(self, message_id: int) -> None:
        self._streams.pop(message_id, None)
