"""Server-sent events: the stream of one message, for the native and the model APIs, and how a stream is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

from lanes.engine.runs.streams import Listener
from lanes.runners.base import Delta
from lanes.server.state.cancellation import until_disconnected

#: A comment is sent after this many seconds of silence, so that no proxy closes the connection.
KEEPALIVE_S = 10.0
KEEPALIVE = b": still here\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def next_pieces(listener: Listener) -> list[Delta] | None:
    """The next pieces; empty at the end of the message, None if none came within the keepalive interval."""
    try:
        async with asyncio.timeout(KEEPALIVE_S):
            return await listener.batch()
    except TimeoutError:
        return None


async def events(
    first: list[Delta] | None,
    listener: Listener,
    encode: Callable[[Sequence[Delta]], bytes],
    ending: Callable[[], AsyncIterator[bytes]],
    silence: Callable[[], bytes] = lambda: KEEPALIVE,
) -> AsyncIterator[bytes]:
    """The pieces, encoded; ``silence()`` whenever a keepalive is due; and ``ending()`` once the message has ended.

    Pieces that came together leave together: a write for each would cost more than all the rest.
    """
    pieces = first
    while pieces is None or pieces:
        if data := silence() if pieces is None else encode(pieces):
            yield data
        pieces = await next_pieces(listener)
    async for last in ending():
        yield last


class WatchedStream:
    """A stream that calls ``over`` exactly once, with whether it was sent to its end."""

    def __init__(self, content: AsyncIterator[bytes], over: Callable[[bool], Coroutine[Any, Any, None]]) -> None:
        self._content = content
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = False
        try:
            with until_disconnected(receive):
                await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                if scope["method"] != "HEAD":  # only the head was requested
                    async for chunk in self._content:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                whole = True
        finally:
            await asyncio.shield(self._over(whole))
