"""Server-sent events: of one message, for both surfaces, and how every stream is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from lanes.engine.streams import Listener
from lanes.runners.base import Delta
from lanes.server.call import ClientGone

#: A comment goes out after so many seconds of silence, so that nothing between us closes the connection.
KEEPALIVE_S = 10.0
KEEPALIVE = b": still here\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def next_piece(listener: Listener) -> tuple[bool, Delta | None]:
    """Whether something came within the keepalive interval, and what: None is the end of the message."""
    try:
        async with asyncio.timeout(KEEPALIVE_S):
            return True, await listener.get()
    except TimeoutError:
        return False, None


async def events(
    first: tuple[bool, Delta | None],
    listener: Listener,
    piece: Callable[[Delta], bytes],
    ending: Callable[[], "AsyncIterator[bytes]"],
) -> AsyncIterator[bytes]:
    """Every piece as an event, comments in between, and the ending once the message has reached its state.

    Pieces that came together leave together: a write for each would cost more than all the rest.
    """
    came, delta = first
    while not came or delta is not None:
        said = KEEPALIVE if delta is None else b"".join(map(piece, (delta, *listener.ready())))
        if said:
            yield said
        came, delta = await next_piece(listener)
    async for last in ending():
        yield last


class WatchedStream(StreamingResponse):
    """A stream that calls ``over`` exactly once, with whether it was sent to its end.

    ``patience_s``: a client that takes nothing for so long counts as gone. None: it may take its time.
    """

    def __init__(
        self,
        content: AsyncIterator[bytes],
        over: Callable[[bool], "asyncio.Future[None]"],
        *,
        patience_s: float | None = None,
    ) -> None:
        super().__init__(content, media_type="text/event-stream", headers=HEADERS)
        self._over = over
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = False

        async def watched(message: Message) -> None:
            nonlocal whole
            await (send(message) if self._patience_s is None else self._impatiently(send, message))
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                whole = True

        try:
            await super().__call__(scope, receive, watched)
        finally:
            await asyncio.shield(self._over(whole))

    async def _impatiently(self, send: Send, message: Message) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await send(message)
        except TimeoutError as error:
            raise ClientGone from error
