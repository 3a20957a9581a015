"""What the gateways that tests play have in common: a port that they keep, a token, and whether they answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import web

S = TypeVar("S", bound="ReplayServer")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def now() -> int:
    """Wall time in milliseconds."""
    return round(time.time() * 1000)


class ReplayServer:
    """``token``: what it wants; empty: nothing. ``silent``: it takes connections, and answers nothing. ``junk``: what
    it answers instead, by the end of paths; ``moved``: where it redirects to, likewise. ``reached``: the paths that
    were asked for."""

    def __init__(self) -> None:
        self.token, self.port, self.silent = "", 0, False
        self.junk: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.reached: list[str] = []
        self.scheme = "http"
        self._open: set[web.StreamResponse] = set()
        self._runner: web.AppRunner | None = None

    def routes(self) -> list[web.RouteDef]:
        """What it serves."""
        raise NotImplementedError

    def admits(self, request: web.Request) -> bool:
        """Whether the token of a request is right."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        """Listen, at the same port as before."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.reached.append(request.path)
        while self.silent:
            await asyncio.sleep(0.02)
        for end, place in self.moved.items():
            if request.path.endswith(end):
                return web.Response(status=302, headers={"Location": place})
        if self.token and not self.admits(request):
            return web.Response(status=401)
        for end, body in self.junk.items():
            if request.path.endswith(end):
                return web.Response(body=body, content_type="application/json")
        return await handler(request)

    async def stop(self) -> None:
        """End, as a process does that is killed."""
        for response in list(self._open):
            transport = None if response._req is None else response._req.transport
            if transport is not None:
                transport.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    def close(self) -> None:
        """Close what it keeps over a restart."""


@asynccontextmanager
async def listening(server: S) -> AsyncIterator[S]:
    """A gateway that listens during the block."""
    await server.listen()
    try:
        yield server
    finally:
        await server.stop()
        server.close()
