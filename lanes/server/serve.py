"""The life of a gateway with its server: bind, start, serve, drain, stop, in this order."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable

from lanes.config import Config
from lanes.gateway import Gateway
from lanes.server.app import App
from lanes.server.asgi.protocol import BoundedProtocol
from lanes.server.asgi.sockets import Server
from lanes.server.listening import bound, url_of
from lanes.server.signals import handled_signals
from lanes.server.state.app_state import AppState
from lanes_storage.logs import Log
from lanes_storage.threads import call_off

log = Log("lanes.server")

#: How long responses may take to end once nothing that they wait for is left (s).
STOP_S = 1
#: The keep-alive timeout of an idle connection (s), longer than that of proxies (most 60 s, Google's 600 s): otherwise
#: a proxy could send a request just as the connection is closed, and get no answer.
KEEP_S = 620
#: The longest time from the end of the drain, or from a second signal, to the exit (s).
CLOSING_S = 4.75
#: The number of ticks (ten a second) between two checks of the connections.
TICKS_BETWEEN_LOOKS = 10


def bind(config: Config) -> socket.socket:
    """Bind the address, before anything else is started.

    Raises ConfigError: the address is in use, not permitted or beyond loopback without a token; a secret is missing.
    """
    config.check_gateway()
    return bound(config.gateway.host, config.gateway.port, _alternative)


def _alternative(error: OSError) -> str:
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        return "port with --port, gateway.port or LANES_GATEWAY_PORT"
    return "address with gateway.host or LANES_GATEWAY_HOST"


async def serve(
    gateway: Gateway,
    config: Config,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    signals: bool = True,
    leave_within: Callable[[float], None] = lambda _: None,
) -> None:
    """Start the gateway and serve it until a signal (SIGTERM, SIGINT, SIGHUP) or ``stop``; then drain and stop it.

    The first signal drains, a second one stops at once; SIGHUP never counts as a second one, since a shell that exits
    sends it twice. When this returns, or raises, no stream and no loop is left, the socket is closed, and the database
    may be closed. ``leave_within``: called, from any thread, with the seconds after which the process must have ended.
    Raises StorageError where the gateway cannot start.
    """
    stopping = stop or asyncio.Event()
    at_once = asyncio.Event()

    by_signal = False

    def on_signal(number: signal.Signals) -> None:
        nonlocal by_signal
        if stopping.is_set() and number is not signal.SIGHUP:
            at_once.set()
        by_signal = by_signal or not stopping.is_set()
        action = "stopping at once" if at_once.is_set() else "draining; a second signal stops at once"
        log.info("%s: %s", number.name, action)
        stopping.set()

    in_time_s = config.clocks.drain_timeout_ms / 1000 + CLOSING_S
    signalled: list[int] = []  # counted in the thread of the signals: the event loop may be blocked

    def deadline(number: int) -> None:
        if number != signal.SIGHUP and (signalled or (stopping.is_set() and not by_signal)):
            leave_within(CLOSING_S)
        elif not signalled:
            leave_within(in_time_s)
        signalled.append(number)

    app_state = AppState(gateway, config)
    server = _Server(
        App(app_state),
        http=BoundedProtocol,
        server_header=False,
        proxy_headers=False,  # any client can send them, and the journal names the client
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=KEEP_S,
    )
    async with contextlib.AsyncExitStack() as ending:  # all run even if one fails, in reverse order
        if signals:
            ending.enter_context(handled_signals(on_signal, deadline))
        ending.callback(listener.close)
        serving: asyncio.Task[None] | None = None

        async def close() -> None:
            app_state.close()
            server.stop()
            if serving is not None:
                await asyncio.gather(serving, return_exceptions=True)

        ending.push_async_callback(close)
        ending.push_async_callback(gateway.stop)
        await gateway.start()
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="lanes-server")
        if on_ready is not None:
            on_ready(url_of(listener))
        await _first(stopping.wait(), serving)
        leave_within(in_time_s)
        await _first(gateway.drain(by="signal"), at_once.wait())


async def _first(one: Awaitable[object], other: Awaitable[object]) -> None:
    """Wait for the first of two to finish, and raise its error; the other is cancelled unless it is a task."""
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, awaitable in zip(tasks, (one, other), strict=True):
        if task not in done and task is not awaitable:
            await call_off(task)
    for task in done:
        task.result()


class _Server(Server):
    """Checks its connections periodically."""

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_BETWEEN_LOOKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.check_time(now)
        return await super().on_tick(counter)
