"""The source for a gateway elsewhere, read and changed over HTTP: ``lanes dashboard --url``.

The gateway may stop, be restarted or be cut off while the dashboard runs. Every call then raises ``Lost``, and the
next one tries again. The gateway knows the actor by the token.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lanes.base.errors import ConfigError, LanesError, TooMuch, Unreadable
from lanes.drivers.client import GatewayClient
from lanes.drivers.remote import WAIT_S, RemoteDriver
from lanes.verbs.messages import retry
from lanes.verbs.verb import Verb
from lanes_storage.clock import Clock, system_clock
from lanes_storage.errors import StorageError
from lanes_tui.sources.source import Lost, Source

#: How many calls of one action run at a time; and how many threads, a few of them for reads.
TOGETHER = 64
THREADS = TOGETHER + 8


class RemoteSource(Source):
    """A gateway elsewhere. ``wait_s``: how long to wait for one answer.

    The client blocks, so every call is made in a thread.
    """

    option = "--url"
    in_order = 1

    def __init__(
        self, client: GatewayClient, *, read_only: bool = False, clock: Clock = system_clock, wait_s: float = WAIT_S
    ) -> None:
        self._driver = RemoteDriver(client, wait_s)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lanes-remote")
        super().__init__(self._driver.name, actor="over HTTP", read_only=read_only, clock=clock)

    async def version(self) -> int:
        return 0  # changes are not announced over HTTP: it is read in the rhythm of the screen

    async def _call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: self._driver.call(verb, **params))
        except StorageError as error:
            raise Lost(f"{error}: {error.fix}") from error
        except (ConfigError, TooMuch, Unreadable) as error:  # the next look may succeed
            raise Lost(str(error)) from error

    async def _call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[int, Any], None]:
        async def one(place: int) -> tuple[int, Any]:
            try:
                return place, await self._call(verb, **params[place])
            except LanesError as error:
                return place, error

        together = 1 if verb is retry else TOGETHER  # retries keep the order of their lane
        for first in range(0, len(params), together):
            page = range(first, min(first + together, len(params)))
            for call in asyncio.as_completed([one(place) for place in page]):
                yield await call

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._driver.close()
