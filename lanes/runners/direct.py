"""The way to a provider that no proxy stands in: httpx over the connections of aiohttp.

A pool of httpcore goes over all that it has for each request, and h11 reads every piece of an answer in Python:
together that took two thirds of the processor time of a message. What httpx is to whoever asks stays as it is.
"""

import asyncio
import errno
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

#: Called when a request of this task starts to go out: it has its connection.
CONNECTED: ContextVar[Callable[[], None]] = ContextVar("CONNECTED")
#: The longest line of an answer's head, and the longest header; httpx takes as much.
_LONGEST = 65_536
#: A larger body goes out piece by piece, with the event loop at work in between.
_LARGE = 262_144


class DirectTransport(httpx.AsyncBaseTransport):
    """Connections whose number is not limited; an idle one is kept for ``kept_idle_s`` seconds."""

    def __init__(self, trusted: ssl.SSLContext, kept_idle_s: float) -> None:
        self._trusted = trusted
        self._kept_idle_s = kept_idle_s
        self._loading = asyncio.Lock()
        self._session: ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        session = self._session or await self._load()
        from aiohttp import ClientError

        try:
            answer = await session.request(
                request.method,
                _url(str(request.url)),
                headers=request.headers.multi_items(),
                data=request.content if len(request.content) < _LARGE else BytesIO(request.content),
                allow_redirects=False,
            )
        except (ClientError, OSError) as error:
            raise _as_httpx(error)  # noqa: B904 - which knows the cause
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _load(self) -> "ClientSession":
        """Load the library with the first request, in a thread: the start of a gateway does not wait for it."""
        async with self._loading:
            if self._session is None:
                await asyncio.to_thread(_import)
                self._session = self._new_session()
        return self._session

    def _new_session(self) -> "ClientSession":
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, TraceConfig

        traced = TraceConfig()
        traced.on_request_headers_sent.append(_connected)
        return ClientSession(
            connector=TCPConnector(ssl=self._trusted, limit=0, keepalive_timeout=self._kept_idle_s),
            timeout=ClientTimeout(),
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            trace_configs=[traced],
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            max_line_size=_LONGEST,
            max_field_size=_LONGEST,
        )


class _Body(httpx.AsyncByteStream):
    """A body as it arrives. Closed before its end, it takes its connection with it."""

    def __init__(self, answer: "ClientResponse") -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        from aiohttp import ClientError

        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (ClientError, OSError) as error:
            raise _as_httpx(error)  # noqa: B904 - which knows the cause

    async def aclose(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _as_httpx(error: Exception) -> httpx.HTTPError:
    """What httpx says of the same."""
    import aiohttp
    from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError

    match error:
        case aiohttp.InvalidURL():
            return httpx.UnsupportedProtocol(str(error))
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(str(error))
        case aiohttp.ServerDisconnectedError():
            return httpx.RemoteProtocolError("closed without sending an answer")
        case aiohttp.ClientPayloadError() if ConnectionResetError.__name__ in str(error):  # it names no other cause
            reset = httpx.ReadError(str(error))
            reset.__cause__ = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            return reset
        case aiohttp.ClientConnectionError() | OSError():
            return httpx.ReadError(str(error))
    if isinstance(error.__cause__, TransferEncodingError | ContentLengthError) and "Not enough data" in str(error):
        return httpx.RemoteProtocolError("closed without sending the whole body")
    return httpx.RemoteProtocolError(str(error))


async def _connected(*_: Any) -> None:
    CONNECTED.get()()


def _import() -> None:
    import aiohttp  # noqa: F401


@lru_cache(maxsize=256)
def _url(address: str) -> "URL":
    from yarl import URL

    return URL(address, encoded=True)
