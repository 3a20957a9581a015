"""The way to a provider that no proxy stands in: httpx over the connections of aiohttp.

A pool of httpcore goes over all that it has for each request, and h11 reads every piece of an answer in Python:
together that took two thirds of the processor time of a message. What httpx is to whoever asks stays as it is.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from lanes.runners.connections import Connections


class DirectTransport(httpx.AsyncBaseTransport):
    """Connections whose number is not limited; an idle one is kept for ``kept_idle_s`` seconds.

    The library is loaded with the first request, in a thread: the start of a gateway does not wait for it.
    A request names, as its extension ``connected``, what is called when it starts to go out.
    """

    def __init__(self, trusted: ssl.SSLContext, kept_idle_s: float) -> None:
        self._trusted = trusted
        self._kept_idle_s = kept_idle_s
        self._loading = asyncio.Lock()
        self._connections: httpx.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        connections = self._connections or await self._load()
        return await connections.handle_async_request(request)

    async def aclose(self) -> None:
        if self._connections is not None:
            await self._connections.aclose()

    async def _load(self) -> httpx.AsyncBaseTransport:
        async with self._loading:
            if self._connections is None:
                made_by = await asyncio.to_thread(_connections)
                self._connections = made_by(self._trusted, self._kept_idle_s)
        return self._connections


def _connections() -> "type[Connections]":
    from lanes.runners.connections import Connections

    return Connections
