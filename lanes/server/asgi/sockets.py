"""A server that accepts its connections itself, and closes its sockets in forked children.

Without free file descriptors asyncio tries to accept a thousand times in a row, and logs and schedules each failure.
This server stops at the first failure, logs it once in a while, and pauses before it tries again. It also reserves
descriptors for runs and for the database, so that waiting clients cannot use them up.
It also stops as soon as it is told to, and within milliseconds of the close of its last connection; uvicorn polls for
both ten times a second.
"""

import asyncio
import contextlib
import math
import os
import socket
import weakref
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from lanes.host import descriptors
from lanes_storage.logs import Log
from lanes_storage.threads import kept

log = Log("lanes.server")

#: The most connections accepted in one turn of the event loop.
AT_ONCE = 64
#: The pauses after a failure, and after the limit of connections is reached (s).
REST_S = 1.0
FULL_S = 0.05
#: The interval of warnings.
WARN_EVERY_S = 60.0
#: The interval of ticks, and that of the checks for closed connections while the server stops (s).
TICK_S = 0.1
CLOSING_LOOK_S = 0.005
#: How long a request may take to end once its connection is aborted (s).
ABORTED_S = 0.5


class Acceptor:
    """Accepts the connections of one listening socket. Belongs to the event loop.

    ``full`` is called when the limit of connections is reached, to close idle ones.
    """

    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], full: Callable[[], None]
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._full = full
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None
        self._warned_at: float | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._accepted: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        _acceptors.add(self)

    def open(self) -> None:
        """Start accepting."""
        self._resting = None
        self._loop.add_reader(self._listener, self._take)

    def close(self) -> None:
        """Stop accepting. The socket stays open."""
        if self._resting is None:
            self._loop.remove_reader(self._listener)
        else:
            self._resting.cancel()

    def close_in_child(self) -> None:
        """Close every socket in a forked child: they belong to its parent."""
        for each in [self._listener, *self._accepted]:
            each.close()

    def _take(self) -> None:
        for _ in range(min(AT_ONCE, self._room())):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            connection.setblocking(False)
            self._accepted.add(connection)
            kept(self._connecting, self._connect(connection), "lanes-connect")
        if self._room() <= 0:
            self._full()
            self._pause(FULL_S)

    def _room(self) -> int:
        """How many more connections may be accepted. Counts the open ones only if the limit may be reached."""
        most = descriptors.most_connections()
        if len(self._accepted) < most:
            return most - len(self._accepted)
        return most - sum(1 for each in self._accepted if each.fileno() >= 0)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # the client has disconnected
            connection.close()

    def _rest(self, error: OSError) -> None:
        if descriptors.is_shortage(error):
            descriptors.note_shortage()
        now = self._loop.time()
        if self._warned_at is None or now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            log.warning("no connection can be accepted, new clients wait: %s", os.strerror(error.errno or 0))
        self._pause(REST_S)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._resting = self._loop.call_later(seconds, self.open)


class Server(uvicorn.Server):
    """A uvicorn server that uses ``Acceptor``, and leaves the signals of the process alone. ``stop`` ends it."""

    _acceptors: tuple[Acceptor, ...] = ()

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        """``options`` are those of ``uvicorn.Config``."""
        usual: dict[str, Any] = {"ws": "none", "lifespan": "off", "log_config": None, "access_log": False}
        super().__init__(uvicorn.Config(app, **usual, **options))
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Stop serving."""
        self.should_exit = True
        self._stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._acceptors = tuple(Acceptor(listener, self._protocol, self._close_idle) for listener in sockets or ())
        for acceptor in self._acceptors:
            acceptor.open()

    async def main_loop(self) -> None:
        stopping, ticks = asyncio.ensure_future(self._stopping.wait()), 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.wait((stopping,), timeout=TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._closed_within(self.config.timeout_graceful_shutdown or math.inf)
        for connection in list(self.server_state.connections):  # its client does not read, or does not send
            connection.transport.abort()
        await self._closed_within(ABORTED_S)
        for task in self.server_state.tasks:
            task.cancel()

    async def _closed_within(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time
        deadline = now() + seconds
        while (self.server_state.connections or self.server_state.tasks) and now() < deadline:  # noqa: ASYNC110 - they have no event
            await asyncio.sleep(CLOSING_LOOK_S)

    def _close_idle(self) -> None:
        """Close idle connections; the others close after their response."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "cycle", None) is not None:
                connection.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


_acceptors: "weakref.WeakSet[Acceptor]" = weakref.WeakSet()


def _close_in_child() -> None:
    for acceptor in list(_acceptors):
        acceptor.close_in_child()


# Close-on-exec is not enough: a forked worker without exec would keep the address and the connections open.
os.register_at_fork(after_in_child=_close_in_child)
