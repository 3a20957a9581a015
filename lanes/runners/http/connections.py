"""Connections to providers, directly or through an HTTP proxy: aiohttp. Loaded with the first request.

Not httpx: its pool scans all connections for each request, and h11 parses every piece of an answer in Python, together
two thirds of the processor time of a message.
"""

import contextlib
import errno
import os
import select
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from types import SimpleNamespace
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError
from aiohttp.tracing import Trace
from yarl import URL

from lanes.host import descriptors
from lanes.runners.http import failures
from lanes.runners.http.bodies import BodyConnector
from lanes.runners.http.failures import AttemptFailed, ConnectionClosed, NoDescriptor, NoThread, root_text
from lanes.runners.http.unpacking import PLAIN, unpacked
from lanes_storage.law import AttemptCause

#: The headers of a request; a header that is repeated needs the second form.
Headers = Mapping[str, str] | Sequence[tuple[str, str]]
#: How many seconds an idle connection is kept. Common servers close theirs after 5 s, and a connection that is closed
#: while a request goes out on it looks like a reset: so this side closes first.
KEPT_IDLE_S = 4.0
#: A kept connection that its server had closed breaks within this time, a round trip, in seconds. If one breaks later,
#: the request had arrived, and the provider may have worked on it.
AT_ONCE_S = 1.0
#: The longest line of an answer's head, and the longest header.
_LONGEST = 65_536
#: A larger body goes out piece by piece, with the event loop at work in between.
_LARGE = 262_144
#: The headers that say when to retry; a LiteLLM proxy passes on that of its provider under another name.
_WHEN = ("retry-after", "llm_provider-retry-after")


class _Connector(BodyConnector):
    """Reuses no connection on which the server has sent anything since its last answer: the next request would take
    that for its own answer, and it may be meant for another lane."""

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=KEPT_IDLE_S)
        self._handed_out = WeakSet[ResponseHandler]()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:
                return connection
            if protocol not in self._handed_out or not (protocol.should_close or _has_unread(protocol)):
                self._handed_out.add(protocol)
                return connection
            connection.close()


def _has_unread(protocol: ResponseHandler) -> bool:
    """Whether data, or the end of file, has arrived that the event loop has not read yet."""
    assert protocol.transport is not None  # it is connected
    arrived = select.poll()
    arrived.register(protocol.transport.get_extra_info("socket"), select.POLLIN)
    return bool(arrived.poll(0))


class Connections:
    """Connections whose number is not limited. Belongs to the event loop. ``mono`` is a monotonic time in seconds."""

    def __init__(self, mono: Callable[[], float]) -> None:
        self._mono = mono
        traced = aiohttp.TraceConfig()
        traced.on_connection_reuseconn.append(_reused)
        traced.on_connection_create_end.append(_created)
        traced.on_request_headers_sent.append(_connected)
        self._session = aiohttp.ClientSession(
            connector=_Connector(),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[traced],
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            max_line_size=_LONGEST,
            max_field_size=_LONGEST,
        )

    async def send(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Headers,
        connected: Callable[[], None],
        *,
        trusted: ssl.SSLContext,
        proxy: str | None,
    ) -> "ProviderResponse":
        """Send a request; ``connected`` is called when it starts to go out. Raises AttemptFailed, NoDescriptor."""
        sending = _Sending(connected, self._mono)
        try:
            answer = await self._session.request(
                method,
                _url(url),
                headers=headers,
                data=(body if len(body) < _LARGE else BytesIO(body)) or None,
                allow_redirects=False,
                ssl=trusted,
                proxy=None if proxy is None else _proxy(proxy),
                trace_request_ctx=sending,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _to_failure(error, sending) from error
        except RuntimeError as error:
            if not descriptors.is_no_thread(error):
                raise
            raise NoThread(str(error)) from error  # for the name resolution
        return ProviderResponse(answer)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class ProviderResponse:
    """A response whose status and headers have arrived."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.raw_headers: Sequence[tuple[bytes, bytes]] = answer.raw_headers
        content_type = answer.headers.get("content-type", "").encode(errors="replace").decode()
        self.content_type = content_type.partition(";")[0].strip().lower()
        self.encoding = (self.header("content-encoding") or PLAIN).strip().lower()

    def header(self, name: str) -> str | None:
        """One header, None if it is missing."""
        return self._answer.headers.get(name)

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, as it arrives. Raises AttemptFailed: reset, cut, garbage."""
        # Not decompressed by the library, which decompresses each received chunk completely.
        return self.packed_chunks() if self.encoding == PLAIN else unpacked(self.packed_chunks(), self.encoding)

    async def packed_chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, unchanged. Raises AttemptFailed: reset, cut, garbage."""
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _to_failure(error) from error

    async def start_of_body(self, limit: int) -> bytes:
        """The body up to ``limit`` bytes. Raises AttemptFailed."""
        kept = bytearray()
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                kept += chunk
                if len(kept) >= limit:
                    break
        return bytes(kept[:limit])

    def refusal(self, body: bytes) -> AttemptFailed:
        """The failure that a status other than 200 and the unpacked body stand for."""
        now = time.time_ns() // 1_000_000
        retry_after = next((retry_after for name in _WHEN if (retry_after := self.header(name)) is not None), None)
        return failures.from_response(self.status, body, failures.retry_after_ms(retry_after, now))

    async def aclose(self) -> None:
        """Release the response. If it was not read to its end, its connection is closed at once."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _to_failure(error: Exception, sending: "_Sending | None" = None) -> AttemptFailed | NoDescriptor:
    """The failure for an error of the library; NoDescriptor if this process itself is the cause.

    ``sending``: the request, if no part of an answer came. The tracebacks are dropped: their frames hold the whole
    request, and some hold the error itself.
    """
    if descriptors.is_shortage(error) or (isinstance(error, aiohttp.ClientConnectorError) and descriptors.none_left()):
        descriptors.note_shortage()
        return NoDescriptor()
    failure = _failure(error)
    inner: BaseException | None = error
    while inner is not None:
        inner.__traceback__ = None
        inner = inner.__cause__ or inner.__context__
    if sending is None or failure.cause not in (AttemptCause.CUT, AttemptCause.RESET, AttemptCause.GARBAGE):
        return failure
    if not sending.is_out:
        return AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: its proxy opens no tunnel: {failure.message}")
    if sending.was_kept() and failure.cause is not AttemptCause.GARBAGE:
        return ConnectionClosed(failure.cause, failure.message)
    return failure


def _failure(error: Exception) -> AttemptFailed:
    match error:
        case aiohttp.InvalidURL() | aiohttp.ClientConnectorError():
            return AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: {root_text(error)}")
        case aiohttp.ClientHttpProxyError():
            return AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: its proxy answers HTTP {error.status}")
        case aiohttp.ServerDisconnectedError():
            return _cut()
        case aiohttp.ClientPayloadError() if ConnectionResetError.__name__ in str(error):  # it names no other cause
            return AttemptFailed(AttemptCause.RESET, f"the connection broke: {os.strerror(errno.ECONNRESET)}")
        case aiohttp.ClientConnectionError() | OSError():
            return AttemptFailed(AttemptCause.RESET, f"the connection broke: {root_text(error)}")
        case ValueError():
            return AttemptFailed(AttemptCause.BAD_REQUEST, f"the request cannot be sent: {root_text(error)}")
    if isinstance(error.__cause__, TransferEncodingError | ContentLengthError) and "Not enough data" in str(error):
        return _cut()
    return AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: {root_text(error)}")


def _cut() -> AttemptFailed:
    return AttemptFailed(AttemptCause.CUT, "the connection was closed in the middle")


class _Sending:
    """A request that is being sent. ``reused_at``: when it got a connection that has served another request.
    ``is_out``: its head was sent; before that, a proxy may be asked for a tunnel."""

    def __init__(self, connected: Callable[[], None], mono: Callable[[], float]) -> None:
        self.connected, self.mono = connected, mono
        self.reused_at: float | None = None
        self.is_out = False

    def was_kept(self) -> bool:
        """Whether it got a kept connection, and that only a moment ago."""
        return self.reused_at is not None and self.mono() - self.reused_at <= AT_ONCE_S


async def _reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    sending: _Sending = context.trace_request_ctx
    sending.reused_at = sending.mono()


async def _created(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    sending: _Sending = context.trace_request_ctx
    sending.reused_at = None  # the kept one was not used after all


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    sending: _Sending = context.trace_request_ctx
    sending.is_out = True
    sending.connected()


@lru_cache(maxsize=256)
def _url(address: str) -> URL:
    return URL(address, encoded=address.isascii())  # percent-encoding is kept as it came


@lru_cache(maxsize=256)
def _proxy(address: str) -> URL:
    """The address of a proxy for the library, which sends each character of user and password as one byte: so they are
    replaced by the bytes of their UTF-8, which other clients send, too."""
    url = URL(address)
    user, password = (part and part.encode().decode("latin-1") for part in (url.user, url.password))
    return url.with_user(user).with_password(password) if user or password else url
