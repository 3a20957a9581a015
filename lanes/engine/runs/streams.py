"""Passes replies to their listeners, piece by piece. A stream belongs to a run.

A message that runs again, after its run was interrupted or parked, gets a new stream: the output of the first run is
void, and listeners that have taken a piece of it are told.
"""

import asyncio
from collections.abc import Callable

from lanes.runners.base import BEGIN_AGAIN, Delta


class Listener:
    """One reader of a message's reply. It gets every piece of the run that answers it, from its beginning on.

        async for piece in gateway.listen(message.id):
            if piece.begin_again:
                ...  # another run of the message began: what came before is void
            print(piece.text, end="")

    The loop ends when the message has ended, or the gateway stops: read the message then. It raises NotFound if there
    is no such message, and StorageError if its end cannot be read. You may leave the loop at any time.
    """

    def __init__(self, stream: "ReplyStream") -> None:
        self._stream = stream
        self._run = stream.run
        self._at = 0
        self._news = asyncio.Event()
        stream.join(self._news)

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> Delta:
        piece = await self.get()
        if piece is not None:
            return piece
        self.close()
        raise self._stream.error or StopAsyncIteration

    def __del__(self) -> None:
        self.close()  # a loop that was left early: nothing else refers to the listener

    @property
    def void(self) -> bool:
        """Whether the pieces taken are of a run that did not end the message, as far as this gateway knows."""
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
        """All pieces that are available; none once the message has reached a terminal state."""
        piece = await self.get()
        if piece is None:
            return []
        further = self._run.pieces_from(self._at)
        self._at += len(further)
        return [piece, *further]

    def close(self) -> None:
        """Stop listening. May be called twice."""
        self._stream.leave(self._news)

    def _take(self) -> Delta | None:
        if self._run is not self._stream.run:
            had_read, self._run, self._at = self._at > 0, self._stream.run, 0
            if had_read:
                return BEGIN_AGAIN
        piece = self._run.piece(self._at)
        if piece is not None:
            self._at += 1
        return piece


class RunStream:
    """The pieces of one run's reply. For the event loop."""

    def __init__(self, message: "ReplyStream") -> None:
        self._pieces: list[Delta] = []
        self._message = message
        self.reached_caller = False
        self.cut = False  # the run has ended, and its message has not

    def listen(self) -> Listener:
        return self._message.listen()

    def put(self, *pieces: Delta) -> None:
        """Pass pieces to every reader, and keep them for later readers."""
        self._pieces.extend(pieces)
        self._message.wake_readers()

    def piece(self, at: int) -> Delta | None:
        """The piece at a position, or None while there is none. A piece that is taken counts as delivered to a
        caller."""
        if at >= len(self._pieces):
            return None
        self.reached_caller = True
        return self._pieces[at]

    def pieces_from(self, at: int) -> list[Delta]:
        """The pieces from a position on; they count as delivered to a caller."""
        pieces = self._pieces[at:]
        self.reached_caller |= bool(pieces)
        return pieces

    def discard(self) -> None:
        """Discard pieces that no reader has taken, before another attempt begins."""
        if not self.reached_caller:
            self._pieces.clear()


class ReplyStream:
    """The streams of the runs of one message. For the event loop. It refers to its readers only by their wake-up
    events."""

    def __init__(self, unread: Callable[[], None]) -> None:
        self._wakes: set[asyncio.Event] = set()
        self._unread = unread  # called when nobody listens, also at the end
        self.run = RunStream(self)
        self.begun = False  # whether a run of the message began in this gateway
        self.ended = False
        self.error: Exception | None = None  # why its end could not be read

    @property
    def listened(self) -> bool:
        return bool(self._wakes)

    def begin(self) -> RunStream:
        """The stream of a run that begins now. Readers of an earlier stream get a ``begin_again`` piece next."""
        self.run, self.begun = RunStream(self), True
        self.wake_readers()
        return self.run

    def listen(self) -> Listener:
        return Listener(self)

    def join(self, wake: asyncio.Event) -> None:
        self._wakes.add(wake)

    def leave(self, wake: asyncio.Event) -> None:
        if wake in self._wakes:
            self._wakes.discard(wake)
            self._look_for_readers()

    def end(self, error: Exception | None = None) -> None:
        """End the stream: the message has reached a terminal state, or its state could not be read (``error``)."""
        self.ended, self.error = True, error
        self.wake_readers()
        self._look_for_readers()

    def wake_readers(self) -> None:
        for wake in tuple(self._wakes):  # the garbage collector may remove a reader in any thread
            wake.set()

    def _look_for_readers(self) -> None:
        if not self._wakes:
            self._unread()


class Streams:
    """The reply streams of a gateway, by message. ``unread`` is called with a message when nobody listens to it any
    more."""

    def __init__(self) -> None:
        self._streams: dict[int, ReplyStream] = {}
        self._over = False
        self.unread: Callable[[int], None] = lambda _: None

    def of(self, message_id: int) -> ReplyStream:
        """The stream of a message, created at its first use; it has ended if the gateway has stopped."""
        stream = self._streams.get(message_id)
        if stream is not None:
            return stream
        created = self._streams[message_id] = ReplyStream(lambda: self._unread(message_id, created))
        if self._over:
            created.end()
        return created

    def end(self, message_id: int, error: Exception | None = None) -> None:
        """End the stream of a message, if there is one."""
        stream = self._streams.get(message_id)
        if stream is not None:
            stream.end(error)

    def release(self, message_id: int, run: RunStream | None) -> None:
        """A run has ended, but its message has not: discard the stream unless someone listens, or the next run has
        begun."""
        stream = self._streams.get(message_id)
        if run is None or stream is None or stream.run is not run:
            return
        run.cut = True
        if not stream.listened:
            self._streams.pop(message_id)

    def end_all(self) -> None:
        """End every stream, also those that are asked for from now on: the gateway stops."""
        self._over = True
        for stream in list(self._streams.values()):
            stream.end()

    def _unread(self, message_id: int, stream: ReplyStream) -> None:
        """Discard the stream if nobody needs it; the pieces of a live run stay for later listeners."""
        if self._streams.get(message_id) is stream:
            if stream.ended or not stream.begun:
                del self._streams[message_id]
            self.unread(message_id)
