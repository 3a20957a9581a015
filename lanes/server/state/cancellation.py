"""Cancelling what a request waits for."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from starlette.types import Receive


class ClientDisconnected(Exception):
    """The client closed its connection."""


class ServerClosing(Exception):
    """The gateway has stopped; waiting requests are ended."""


class CancelScope:
    """A block of the current task that can be ended from outside with an exception, as ``asyncio.timeout`` does."""

    def __enter__(self) -> "CancelScope":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._reason: Exception | None = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._reason is not None and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise self._reason from None

    def __call__(self, reason: Exception) -> None:
        """End the block with this exception. Call it from the event loop, while the block waits."""
        if self._reason is None:
            self._reason = reason
            self._task.cancel()


@contextmanager
def until_disconnected(receive: Receive) -> Iterator[CancelScope]:
    """A block that ends with ClientDisconnected when the client disconnects: an ASGI handler has to poll for that.

    Enter it only after the body was read: it discards what the client sends.
    """

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        cut(ClientDisconnected())

    with CancelScope() as cut:
        watching = asyncio.create_task(watch())
        try:
            yield cut
        finally:
            watching.cancel()
