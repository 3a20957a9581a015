"""Connections to providers, kept for a moment after their exchange for the next one."""

import asyncio
import contextlib
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator

from lanes.errors import ConfigError
from lanes.runners.address import Origin
from lanes.runners.exchange import Connection, words_of
from lanes.runners.failures import AttemptFailed
from lanes_storage.law import AttemptCause

#: Idle connections that are kept, and for how long. Common servers close theirs after 5 s; one that is closed while
#: a request goes out on it looks like a reset, so ours go first.
KEPT_IDLE = 100
KEPT_IDLE_S = 4.0
#: How long one address of a host is tried before the next one is tried beside it.
NEXT_ADDRESS_S = 0.25
#: Where the environment may say whom to trust.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Pool:
    """The direct connections of one process to all its providers. Belongs to an event loop.

    Their number is not limited; the slots of the runners are the limit. Raises ConfigError where the certificates that
    the environment names can not be read.
    """

    def __init__(self) -> None:
        self._idle: dict[Origin, deque[tuple[float, Connection]]] = {}
        self._count = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._trusted = _trusted() if any(os.environ.get(name) for name in _CERTIFICATES) else None

    @contextlib.asynccontextmanager
    async def connection(self, origin: Origin) -> AsyncIterator[Connection]:
        """A connection for one exchange. However the block is left, one whose answer was not read to its end closes.

        Raises AttemptFailed (unreachable).
        """
        connection = self._kept(origin) or await self._made(origin)
        try:
            yield connection
        finally:
            if connection.reusable and self._count < KEPT_IDLE:
                self._keep(origin, connection)
            else:
                connection.abort()

    async def aclose(self) -> None:
        """Close what is idle."""
        if self._sweep is not None:
            self._sweep.cancel()
        for idle in self._idle.values():
            for _, connection in idle:
                connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # a transport closes its socket in the next turn of the loop

    def _kept(self, origin: Origin) -> Connection | None:
        """An idle connection that is still good, the last one that was used."""
        idle = self._idle.get(origin)
        oldest = asyncio.get_running_loop().time() - KEPT_IDLE_S
        while idle:
            since, connection = idle.pop()
            self._count -= 1
            if since > oldest and connection.quiet():
                return connection
            connection.abort()
        return None

    async def _made(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                Connection,
                origin.host,
                origin.port,
                ssl=self._context() if origin.tls else None,
                happy_eyeballs_delay=NEXT_ADDRESS_S,
            )
        except (OSError, ValueError) as error:  # ValueError: a host that the resolver does not even ask for
            raise AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: {words_of(error)}") from error
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._trusted is None:
            self._trusted = _trusted()
        return self._trusted

    def _keep(self, origin: Origin, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        self._idle.setdefault(origin, deque()).append((now, connection))
        self._count += 1
        if self._sweep is None:
            self._sweep_in(KEPT_IDLE_S)

    def _sweep_in(self, seconds: float) -> None:
        self._sweep = asyncio.get_running_loop().call_later(seconds, self._sweep_out)

    def _sweep_out(self) -> None:
        """Close what has been idle for too long."""
        before, self._sweep = asyncio.get_running_loop().time() - KEPT_IDLE_S, None
        for origin, idle in list(self._idle.items()):
            while idle and idle[0][0] <= before:
                idle.popleft()[1].abort()
                self._count -= 1
            if not idle:
                del self._idle[origin]
        if self._count:
            oldest = min(idle[0][0] for idle in self._idle.values())
            self._sweep_in(max(0.0, oldest - before))


def _trusted() -> ssl.SSLContext:
    """Trusts what the environment names, else what certifi brings. Raises ConfigError."""
    file, folder = (os.environ.get(name) or None for name in _CERTIFICATES)
    if file is None and folder is None:
        import certifi

        file = certifi.where()
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        problem = f"the certificates that the environment names cannot be used: {error}"
        raise ConfigError(f"{problem}; correct SSL_CERT_FILE or SSL_CERT_DIR") from error
