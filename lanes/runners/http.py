"""HTTP towards providers: directly, or through the proxy that the environment names."""

import contextlib
import re
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from lanes.runners.address import Target, target_of
from lanes.runners.answer import Answer, Body, Unpacker
from lanes.runners.exchange import Connection
from lanes.runners.failures import AttemptFailed
from lanes.runners.pool import Pool
from lanes_storage.law import AttemptCause

# A proxy named by the environment is for the outside; what runs on this machine is reached directly.
_DIRECT = frozenset({"localhost", "127.0.0.1", "::1"})
_PROXIES = ("http", "https", "all")
#: What no header may hold: it would end there.
_BREAKS = re.compile(r"[\r\n\0]")


class Way(Protocol):
    """How requests get to a provider."""

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], connected: Callable[[], None]
    ) -> contextlib.AbstractAsyncContextManager[Answer]:
        """As ``HttpClient.post``."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class HttpClient:
    """The connections of one process to all its providers.

    Nothing here limits time: one byte would do. Whoever calls keeps the clock.
    Raises ConfigError where a proxy or certificates that the environment names cannot be used.
    """

    def __init__(self) -> None:
        self._pool = Pool()
        self._proxied: Way | None = None
        if any(urllib.request.getproxies().get(scheme) for scheme in _PROXIES):
            from lanes.runners.proxied import ProxiedWay  # brings httpx

            self._proxied = ProxiedWay()

    @contextlib.asynccontextmanager
    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], connected: Callable[[], None]
    ) -> AsyncIterator[Answer]:
        """Send a request and give the answer; ``connected`` is called when the request starts to go out.

        However the block is left, a response that was not read to its end closes its connection at once.
        Raises AttemptFailed.
        """
        try:
            target = target_of(url)
        except ValueError as error:
            raise AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: {error}") from error
        if self._proxied is not None and target.origin.host not in _DIRECT:
            async with self._proxied.post(url, body, headers, connected) as answer:
                yield answer
            return
        request = _request(target, headers, len(body)) + body
        async with self._pool.connection(target.origin) as connection:
            connected()
            connection.send(request)
            await connection.head()
            yield Answer(connection.status, connection.headers.get, lambda: _body(connection))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()


def _request(target: Target, headers: Mapping[str, str], length: int) -> bytes:
    """The head of a request. Raises AttemptFailed (bad request) for a header that cannot be sent."""
    lines = [b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-length: %d\r\n" % (target.target, target.host, length)]
    if target.authorization is not None and "authorization" not in headers:
        lines.append(b"authorization: %b\r\n" % target.authorization)
    for name, value in headers.items():
        if _BREAKS.search(value) or not value.isascii():
            raise AttemptFailed(AttemptCause.BAD_REQUEST, f"the request cannot be sent: its header {name} is no header")
        lines.append(f"{name}: {value}\r\n".encode("ascii"))
    return b"".join([*lines, b"\r\n"])


async def _body(connection: Connection) -> Body:
    encoding = connection.headers.get("content-encoding", "identity")
    unpacker = None if encoding == "identity" else Unpacker(encoding)
    while chunk := await connection.read():
        if unpacker is None:
            yield chunk
        else:
            for unpacked in unpacker.feed(chunk):
                yield unpacked
