"""aiohttp as a transport of httpx. The one module that imports it, loaded by ``direct``."""

import errno
import os
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from io import BytesIO
from types import SimpleNamespace

import aiohttp
import httpx
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError
from yarl import URL

#: The longest line of an answer's head, and the longest header; httpx takes as much.
_LONGEST = 65_536
#: A larger body goes out piece by piece, with the event loop at work in between.
_LARGE = 262_144


class Connections(httpx.AsyncBaseTransport):
    """What ``DirectTransport`` is once it is loaded. Made in the event loop that uses it."""

    def __init__(self, trusted: ssl.SSLContext, kept_idle_s: float) -> None:
        traced = aiohttp.TraceConfig()
        traced.on_request_headers_sent.append(_connected)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted, limit=0, keepalive_timeout=kept_idle_s),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[traced],
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            max_line_size=_LONGEST,
            max_field_size=_LONGEST,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = await self._session.request(
                request.method,
                _url(str(request.url)),
                headers=request.headers.multi_items(),
                data=request.content if len(request.content) < _LARGE else BytesIO(request.content),
                allow_redirects=False,
                trace_request_ctx=request.extensions["connected"],
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _as_httpx(error)  # noqa: B904 - which knows the cause
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request)

    async def aclose(self) -> None:
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    """A body as it arrives. Closed before its end, it takes its connection with it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _as_httpx(error)  # noqa: B904 - which knows the cause

    async def aclose(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _as_httpx(error: Exception) -> httpx.HTTPError:
    """What httpx says of the same."""
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


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx()


@lru_cache(maxsize=256)
def _url(address: str) -> URL:
    return URL(address, encoded=True)
