"""Serves the simulated provider, inside another program or as a separate process."""

import asyncio
import contextlib
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lanes.server.asgi.sockets import Acceptor, Server
from lanes.server.listening import listen, url_of
from lanes.simulate.app import Simulator
from lanes.simulate.wire import KILL_EXTENSION

DEFAULT_PORT = 8766
#: How long responses may take to end when the server stops (s).
STOP_S = 2


@contextlib.asynccontextmanager
async def serve(
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    simulator: Simulator | None = None,
    tempo: float = 1.0,
    log: Path | None = None,
) -> AsyncIterator[str]:
    """Serve the simulated provider on this event loop; the value is its base URL (``http://127.0.0.1:…/v1``).

    Port 0 takes a free one. ``tempo`` and ``log`` are for a simulator made here; ``simulator`` has its own. No signal
    handler is touched. The end of the block ends every stream at once. Raises OSError if the port is taken.
    """
    simulated = simulator or Simulator(tempo=tempo, log=log)
    listener = listen(host, port)
    server = _InterruptibleServer(simulated.app, http=_Protocol, timeout_graceful_shutdown=STOP_S)
    simulated.away, simulated.back = partial(server.away, listener), server.back
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="lanes-simulate")
    try:
        yield f"{url_of(listener)}/v1"
    finally:
        server.stop()
        simulated.stop()
        await serving
        server.close(listener)
        simulated.close()


def run(port: int = DEFAULT_PORT, host: str = "127.0.0.1", log: Path | None = None, tempo: float = 1.0) -> None:
    """Serve until Ctrl-C or SIGTERM, with the address on standard error. Raises OSError: the port is taken."""
    asyncio.run(_until_signalled(port, host, log, tempo))


async def _until_signalled(port: int, host: str, log: Path | None, tempo: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(port, host=host, log=log, tempo=tempo) as address:
        sys.stderr.write(f"simulated provider on {address}\n")
        sys.stderr.flush()
        await stop.wait()


class _InterruptibleServer(Server):
    """A server that can be unreachable for a time: nothing listens at its address, and every connection is aborted."""

    _address: tuple[str, int] | None = None  # its address while it is unreachable
    _timer: asyncio.TimerHandle | None = None
    _listener: socket.socket | None = None

    def away(self, listener: socket.socket, seconds: float | None) -> None:
        """Be unreachable for so many seconds; None: until ``back``."""
        if self._address is not None:
            return
        listening = self._listener or listener
        self._address = listening.getsockname()[:2]
        for acceptor in self._acceptors:
            acceptor.close()
        listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.back)

    def back(self) -> None:
        """Be reachable again."""
        if self._address is None:
            return
        self._listener, self._address = listen(*self._address), None
        self._acceptors = (Acceptor(self._listener, self._protocol, self._close_idle),)
        self._acceptors[0].open()

    def close(self, listener: socket.socket) -> None:
        """Close the listening socket."""
        if self._timer is not None:
            self._timer.cancel()
        (self._listener or listener).close()


class _Protocol(HttpToolsProtocol):
    """Gives the application a function that kills its connection, which ASGI lacks."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        inner, kill = self.app, partial(_kill, transport)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[KILL_EXTENSION] = kill
            await inner(scope, receive, send)

        self.app = app


def _kill(transport: asyncio.Transport, reset: bool) -> None:
    if reset:
        # With a linger time of zero the kernel answers with RST instead of FIN.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
