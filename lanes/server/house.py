"""What every route needs: the gateway, its configuration, the journal, and whether all is closing."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from lanes.config import Config
from lanes.desk import Desk
from lanes.gateway import Gateway
from lanes.server.clients import Clients
from lanes.server.cut import Closing, Cut
from lanes.server.journal import Feed

T = TypeVar("T")


class House:
    """One gateway with everything that its routes share."""

    def __init__(self, gateway: Gateway, config: Config) -> None:
        self.gateway = gateway
        self.config = config
        self.feed = Feed(gateway.desk)
        self.clients = Clients()
        self.closed = False
        self._waiting: set[Cut] = set()
        self._at_length = asyncio.Lock()

    @property
    def desk(self) -> Desk:
        return self.gateway.desk

    def close(self) -> None:
        """The gateway has stopped: whoever still waits or follows is sent home."""
        self.closed = True
        self.feed.end()
        for cut in list(self._waiting):
            cut(Closing())

    @contextmanager
    def while_open(self, cut: Cut) -> Iterator[None]:
        """A block that ends with Closing when the gateway has stopped."""
        self._waiting.add(cut)
        try:
            yield
        finally:
            self._waiting.discard(cut)

    async def at_length(self, work: Callable[[], T]) -> T:
        """``work`` that goes over the whole database, in a thread: for one client at a time, since threads are few."""
        await self._at_length.acquire()
        running = asyncio.ensure_future(asyncio.to_thread(work))
        running.add_done_callback(lambda _: self._at_length.release())  # a client that leaves ends no thread
        return await asyncio.shield(running)
