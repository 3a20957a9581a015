"""Server-sent events of one message, for both surfaces."""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse

from lanes.engine.streams import Listener
from lanes.runners.base import Delta

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
    """Every piece as an event, comments in between, and the ending once the message has reached its state."""
    came, delta = first
    while not came or delta is not None:
        yield KEEPALIVE if delta is None else piece(delta)
        came, delta = await next_piece(listener)
    async for last in ending():
        yield last


class WatchedStream(StreamingResponse):
    """A stream that calls ``over`` exactly once, with whether it was sent to its end."""

    def __init__(self, content: AsyncIterator[bytes], over: Callable[[bool], "asyncio.Future[None]"]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=HEADERS)
        self._over = over

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        whole = False

        async def watched(message):  # type: ignore[no-untyped-def]
            nonlocal whole
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                whole = True

        try:
            await super().__call__(scope, receive, watched)
        finally:
            await asyncio.shield(self._over(whole))
