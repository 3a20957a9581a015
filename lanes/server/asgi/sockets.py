"""A server that takes its connections itself, and lets go of its sockets in forked children.

The way of asyncio to take connections tries a thousand times in a row when no descriptor is left, and logs and
schedules each. Here it stops at the first, says so now and then, and waits before it tries again: who wants to connect
waits, too. And it leaves descriptors to the runs and to the database, which must not be taken by those who only wait.
"""

import asyncio
import contextlib
import os
import socket
import weakref
from collections.abc import Callable, Generator

import uvicorn

from lanes.host import descriptors
from lanes_storage.logs import Log

log = Log("lanes.server")

#: Connections taken in one turn of the event loop.
AT_ONCE = 64
#: Before the next try when none could be taken, and when there are as many as there may be.
REST_S = 1.0
FULL_S = 0.05
#: Between two lines of complaint.
COMPLAIN_EVERY_S = 60.0


class Acceptor:
    """Takes the connections of one listening socket. Belongs to the event loop.

    ``full`` is called when there are as many as the limit of descriptors allows, to part with those that are idle.
    """

    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], full: Callable[[], None]
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._full = full
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None
        self._complained_at: float | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._taken: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        _acceptors.add(self)

    def open(self) -> None:
        """Take connections from now on."""
        self._resting = None
        self._loop.add_reader(self._listener, self._take)

    def close(self) -> None:
        """Take no more. The socket stays open."""
        if self._resting is None:
            self._loop.remove_reader(self._listener)
        else:
            self._resting.cancel()

    def close_in_child(self) -> None:
        """Close every socket here, in a forked child: they belong to its parent."""
        for each in [self._listener, *self._taken]:
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
            self._taken.add(connection)
            task = self._loop.create_task(self._connect(connection))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        if self._room() <= 0:
            self._full()
            self._pause(FULL_S)

    def _room(self) -> int:
        """How many more connections there may be. Counted only where it might matter."""
        most = descriptors.most_connections()
        if len(self._taken) < most:
            return most - len(self._taken)
        return most - sum(1 for each in self._taken if each.fileno() >= 0)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # it has left again
            connection.close()

    def _rest(self, error: OSError) -> None:
        if descriptors.is_shortage(error):
            descriptors.note_shortage()
        now = self._loop.time()
        if self._complained_at is None or now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            log.warning("no connection can be taken, who comes now waits: %s", os.strerror(error.errno or 0))
        self._pause(REST_S)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._resting = self._loop.call_later(seconds, self.open)


class Server(uvicorn.Server):
    """Leaves the signals of the process to others."""

    _acceptors: tuple[Acceptor, ...] = ()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._acceptors = tuple(Acceptor(listener, self._protocol, self._close_idle) for listener in sockets or ())
        for acceptor in self._acceptors:
            acceptor.open()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets=sockets)

    def _close_idle(self) -> None:
        """Close what has its answer and stayed connected; those that wait for one close after it."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "cycle", None) is not None:
                connection.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


_acceptors: "weakref.WeakSet[Acceptor]" = weakref.WeakSet()


def _close_in_child() -> None:
    for acceptor in list(_acceptors):
        acceptor.close_in_child()


# Closing at exec is not enough: a worker that was only forked would keep the address, and connections open, for as long
# as it lives.
os.register_at_fork(after_in_child=_close_in_child)
