"""The life of a gateway with its server: bind, start, serve, drain, stop, in this order."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator

import uvicorn

from lanes.config import Config
from lanes.errors import ConfigError
from lanes.gateway import Gateway
from lanes.server.app import App
from lanes.server.house import House
from lanes.server.protocol import BoundedProtocol

log = logging.getLogger("lanes.server")

#: How long responses have to end once everything that they wait for has ended.
STOP_S = 2
#: The server ticks ten times a second; so often it looks over its connections.
TICKS_BETWEEN_LOOKS = 10


def bind(config: Config) -> socket.socket:
    """Take the address, before anything else is started.

    Raises ConfigError: in use, not ours, beyond loopback without a token, a secret that is missing.
    """
    config.check_gateway()
    host, port = config.gateway.host, config.gateway.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, since asyncio sends without delay only on sockets that are known to be TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        why = error.strerror or str(error)
        raise ConfigError(
            f"cannot listen on {host}:{port}: {why}. Another gateway may be running: choose another port with"
            " --port, gateway.port or LANES_GATEWAY_PORT"
        ) from error
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a bound socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def serve(
    gateway: Gateway,
    config: Config,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    signals: bool = True,
) -> None:
    """Start the gateway and serve it until SIGTERM, SIGINT or ``stop``; then drain and stop it.

    The first signal drains, the second stops at once. When this returns, no stream and no loop is left, and the
    database may be closed. Raises StorageError where the gateway cannot start.
    """
    stopping = stop or asyncio.Event()
    at_once = asyncio.Event()

    def asked(name: str) -> None:
        if stopping.is_set():
            at_once.set()
        log.info("%s: %s", name, "stopping at once" if at_once.is_set() else "draining; once more stops at once")
        stopping.set()

    house = House(gateway, config)
    server = _Server(_config(App(house)))
    with _signals(asked) if signals else contextlib.nullcontext():
        await gateway.start()
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="lanes-server")
        try:
            if on_ready is not None:
                on_ready(url_of(listener))
            await _first(stopping.wait(), serving)
            await _first(gateway.drain(by="signal"), at_once.wait())
        finally:
            await gateway.stop()
            house.close()
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
            listener.close()


async def _first(one: Awaitable[object], other: Awaitable[object]) -> None:
    """Return when the first of two is done; its error is raised, the other is cancelled unless it is a task."""
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, given in zip(tasks, (one, other), strict=True):
        if task not in done and task is not given:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    for task in done:
        task.result()


@contextlib.contextmanager
def _signals(asked: Callable[[str], None]) -> Generator[None, None, None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, asked, number.name)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """Leaves the signals of the process to ``serve``."""

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_BETWEEN_LOOKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.look_over(now)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody can write them, and the journal says who asked
        timeout_graceful_shutdown=STOP_S,
    )
