"""The server on loopback: the page, its files, and a WebSocket for each tab. Requests are not logged."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiohttp import WSMsgType, web

from lanes.server.listening import bound, url_of
from lanes_storage.clock import Clock, system_clock
from lanes_tui.web.access import Access, new_nonce, page_policy, shut
from lanes_tui.web.files import page, page_files
from lanes_tui.web.tabs import IDLE_MS, REFUSED, Tabs

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOST = "127.0.0.1"
#: How long a WebSocket may take to give the token, in seconds; and how many at a time may not have given it yet.
FIRST_S = 10.0
MOST_STRANGERS = 16
#: The longest message of a browser, in bytes: a paste.
MOST_BYTES = 2**16
#: How long everything may take to end, in seconds.
STOP_S = 5.0


def listen(port: int) -> socket.socket:
    """Take the port on loopback; 0: any that is free. Raises ConfigError where it is in use."""
    return bound(HOST, port, lambda _: "port with --port")


class WebServer:
    """Serves dashboards, run as ``lanes`` with these arguments. Raises ConfigError without the extra ``web``."""

    def __init__(
        self,
        listener: socket.socket,
        token: str,
        argv: Sequence[str],
        *,
        writes: bool,
        clock: Clock = system_clock,
        idle_ms: int = IDLE_MS,
        first_s: float = FIRST_S,
    ) -> None:
        self._listener = listener
        self._access = Access(listener.getsockname()[1], token)
        self._page, self._files = page(), page_files()
        self._mode = "writes" if writes else "looks"
        self._first_s = first_s
        self._strangers = 0
        self.tabs = Tabs(argv, clock, idle_ms)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"{url_of(self._listener)}/"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve within the block; at its end no tab and no process is left."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/", self._get_page),
                web.get("/static/{name}", self._get_file),
                web.get("/socket", self._get_socket),
            ]
        )
        app.on_response_prepare.append(shut)
        app.on_shutdown.append(lambda _: self.tabs.close())
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=STOP_S)
        await runner.setup()
        idle = asyncio.create_task(self.tabs.end_idle())
        try:
            await web.SockSite(runner, self._listener).start()
            yield
        finally:
            idle.cancel()
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._access.check(request, origin=request.path == "/socket")
        return await handler(request)

    async def _get_page(self, request: web.Request) -> web.Response:
        nonce = new_nonce()
        text = self._page.format(nonce=nonce, mode=self._mode, socket=f"ws://{request.host}/socket")
        return web.Response(text=text, content_type="text/html", headers=page_policy(request.host, nonce))

    async def _get_file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="no such file\n")
        return web.Response(body=found.content, content_type=found.type)

    async def _get_socket(self, request: web.Request) -> web.StreamResponse:
        """Open a tab. Until it has given the token, it is a stranger."""
        if self._strangers == MOST_STRANGERS:
            raise web.HTTPServiceUnavailable(text="too many connections without a token: try again in a moment\n")
        self._strangers += 1
        socket = web.WebSocketResponse(heartbeat=15, max_msg_size=MOST_BYTES, compress=False)
        try:
            await socket.prepare(request)
            known = await self._gives_token(socket)
        finally:
            self._strangers -= 1
        if known:
            await self.tabs.run(socket, *(_number(request.query.get(side)) for side in ("width", "height")))
        else:
            await socket.close(code=REFUSED, message=b"This is not the token.")
        return socket

    async def _gives_token(self, socket: web.WebSocketResponse) -> bool:
        try:
            first = await socket.receive(timeout=self._first_s)
        except TimeoutError:
            return False
        return first.type is WSMsgType.TEXT and self._access.knows(first.data)


async def serve(server: WebServer, on_ready: Callable[[], None]) -> None:
    """Serve until a signal asks to end: SIGINT, SIGTERM, or SIGHUP unless that was ignored at the start."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # a shell without job control starts what runs in the background with SIGINT ignored
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    async with server.serving():
        on_ready()
        await stop.wait()


def _number(text: str | None) -> int:
    """A number of the query; 0 if it is none."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 5 else 0
