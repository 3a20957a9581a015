"""The way to a provider that no proxy stands in: aiohttp. Loaded with the first request.

A pool of httpcore goes over all that it has for each request, and h11 reads every piece of an answer in Python:
together that took two thirds of the processor time of a message.
"""

import errno
import os
import ssl
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from io import BytesIO
from types import SimpleNamespace

import aiohttp
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError
from yarl import URL

from lanes.runners.http.answers import Headers, ProviderResponse, root, told
from lanes.runners.http.failures import AttemptFailed, NoDescriptor
from lanes_storage.law import AttemptCause

#: The longest line of an answer's head, and the longest header.
_LONGEST = 65_536
#: A larger body goes out piece by piece, with the event loop at work in between.
_LARGE = 262_144


class Connections:
    """Connections whose number is not limited; an idle one is kept for ``kept_idle_s``. Belongs to the event loop.

    ``mono`` is a monotonic time in seconds.
    """

    def __init__(self, trusted: ssl.SSLContext, kept_idle_s: float, mono: Callable[[], float]) -> None:
        self._mono = mono
        traced = aiohttp.TraceConfig()
        traced.on_connection_reuseconn.append(_reused)
        traced.on_request_headers_sent.append(_connected)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted, limit=0, keepalive_timeout=kept_idle_s),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[traced],
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            max_line_size=_LONGEST,
            max_field_size=_LONGEST,
        )

    async def send(
        self, url: str, body: bytes, headers: Headers, connected: Callable[[], None], method: str = "POST"
    ) -> ProviderResponse:
        """Send a request; ``connected`` is called when it starts to go out. Raises AttemptFailed, NoDescriptor."""
        sending = _Sending(connected, self._mono)
        try:
            answer = await self._session.request(
                method,
                _url(url),
                headers=headers,
                data=(body if len(body) < _LARGE else BytesIO(body)) or None,
                allow_redirects=False,
                trace_request_ctx=sending,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _told(error, sending.kept_s()) from error
        return DirectResponse(answer)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class DirectResponse(ProviderResponse):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        super().__init__(answer.status, answer.headers, answer.raw_headers)
        self._answer = answer

    async def _body(self) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _told(error) from error

    async def aclose(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _told(error: Exception, kept_s: float | None = None) -> AttemptFailed | NoDescriptor:
    return told(error, _failure(error), kept_s, connecting=isinstance(error, aiohttp.ClientConnectorError))


def _failure(error: Exception) -> AttemptFailed:
    match error:
        case aiohttp.InvalidURL() | aiohttp.ClientConnectorError():
            return AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: {root(error)}")
        case aiohttp.ServerDisconnectedError():
            return _cut()
        case aiohttp.ClientPayloadError() if ConnectionResetError.__name__ in str(error):  # it names no other cause
            return AttemptFailed(AttemptCause.RESET, f"the connection broke: {os.strerror(errno.ECONNRESET)}")
        case aiohttp.ClientConnectionError() | OSError():
            return AttemptFailed(AttemptCause.RESET, f"the connection broke: {root(error)}")
        case ValueError():
            return AttemptFailed(AttemptCause.BAD_REQUEST, f"the request cannot be sent: {root(error)}")
    if isinstance(error.__cause__, TransferEncodingError | ContentLengthError) and "Not enough data" in str(error):
        return _cut()
    return AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: {root(error)}")


def _cut() -> AttemptFailed:
    return AttemptFailed(AttemptCause.CUT, "the connection was closed in the middle")


class _Sending:
    """A request on its way out. ``reused_at``: since when on a connection that has served another one."""

    def __init__(self, connected: Callable[[], None], mono: Callable[[], float]) -> None:
        self.connected, self.mono = connected, mono
        self.reused_at: float | None = None

    def kept_s(self) -> float | None:
        """How long it is out on such a connection."""
        return None if self.reused_at is None else self.mono() - self.reused_at


async def _reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    sending: _Sending = context.trace_request_ctx
    sending.reused_at = sending.mono()


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.connected()


@lru_cache(maxsize=256)
def _url(address: str) -> URL:
    return URL(address, encoded=address.isascii())  # what came percent-encoded goes on as it is
