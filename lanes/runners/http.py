"""HTTP towards providers. Here, in ``direct`` and in ``connections`` is all that knows the client library."""

import contextlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.request import getproxies

from lanes import descriptors
from lanes.errors import ConfigError
from lanes.runners.direct import DirectTransport
from lanes.runners.failures import AttemptFailed, NoDescriptor
from lanes.runners.unpacking import unpacked
from lanes.without import without
from lanes_storage.law import AttemptCause

# Its command line brings rich and pygments with it: a sixth of the time in which a gateway starts.
with without("httpx._main"):
    import httpx

#: Idle connections are kept so long for the next request. Common servers close theirs after 5 s; one that is closed
#: while a request goes out on it looks like a reset, so ours go first.
KEPT_IDLE_S = 4.0

# A proxy named by the environment is for the outside; what runs on this machine is reached directly.
_HERE = ("all://localhost", "all://127.0.0.1", "all://[::1]")

_NOTHING = httpx.ByteStream(b"")


class Answer:
    """A response whose status and headers have come."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()

    def header(self, name: str) -> str | None:
        """One header, None where it is missing."""
        value: str | None = self._response.headers.get(name)
        return value

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, as it arrives. Raises AttemptFailed: reset, cut, garbage."""
        # Never by httpx: it unpacks whatever came in one piece, and what it does to a plain body costs as much as
        # reading it.
        encoding = (self.header("content-encoding") or "identity").strip().lower()
        body = _stream_of(self._response)
        try:
            async for chunk in body if encoding == "identity" else unpacked(body, encoding):
                yield chunk
        except httpx.HTTPError as error:
            raise _failure(error) from error

    async def start_of_body(self, limit: int) -> bytes:
        """The body up to ``limit`` bytes. Raises AttemptFailed."""
        kept = bytearray()
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                kept += chunk
                if len(kept) >= limit:
                    break
        return bytes(kept[:limit])


class HttpClient:
    """The connections of one process to all its providers.

    Nothing here limits time: httpx counts per read, and one byte would do. Whoever calls keeps the clock.
    The number of connections is not limited either; the slots of the runners are the limit.
    Raises ConfigError where a proxy that the environment names cannot be used.
    """

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=None, keepalive_expiry=KEPT_IDLE_S)
        try:
            trusted = httpx.create_ssl_context()
            direct = DirectTransport(trusted, KEPT_IDLE_S)
            ways = dict.fromkeys(_HERE if getproxies() else (*_HERE, "all://"), direct)
            self._client = httpx.AsyncClient(
                verify=trusted, timeout=None, limits=limits, mounts=ways, follow_redirects=False
            )
        except (ImportError, ValueError, OSError) as error:
            problem = f"the proxy or certificates that the environment names cannot be used: {error}"
            raise ConfigError(f"{problem}; correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE") from error

    @contextlib.asynccontextmanager
    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], connected: Callable[[], None]
    ) -> AsyncIterator[Answer]:
        """Send a request and give the answer; ``connected`` is called when the request starts to go out.

        However the block is left, a response that was not read to its end closes its connection at once.
        Raises AttemptFailed, and NoDescriptor where the fault is this process's own.
        """

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            # To a tunnelling proxy goes a CONNECT of its own first.
            if event.endswith("send_request_headers.started") and info["request"].method == b"POST":
                connected()

        # Made by itself: the client would merge headers, cookies and an address of its own into each.
        told = {"trace": trace, "connected": connected}  # through a proxy, and without one
        request = httpx.Request("POST", _url(url), content=body, headers=dict(headers), extensions=told)
        try:
            response = await self._client.send(request, stream=True)
            try:
                yield Answer(response)
            finally:
                await response.aclose()
                # The client's own stream names its response, which names the request with all that was sent: a
                # circle, in which that would stay until somebody looks for garbage.
                response.stream = _NOTHING
        except httpx.HTTPError as error:
            if descriptors.is_shortage(error) or (isinstance(error, httpx.ConnectError) and descriptors.none_left()):
                descriptors.note_shortage()
                raise NoDescriptor from error
            raise _failure(error) from error
        except OSError as error:
            if not descriptors.is_shortage(error):
                raise
            descriptors.note_shortage()  # what is loaded at the first request is files, too
            raise NoDescriptor from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


@lru_cache(maxsize=256)
def endpoint(base_url: str, path: str) -> str:
    """The address of one route below a base URL; a query in the base URL stays. Raises ConfigError."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigError(f"{base_url!r} is no URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"{base_url!r} is no base URL; write https://host/v1")
    return str(url.copy_with(path=f"{url.path.rstrip('/')}/{path}"))


@lru_cache(maxsize=256)
def _url(address: str) -> httpx.URL:
    return httpx.URL(address)


def _stream_of(response: httpx.Response) -> AsyncIterator[bytes]:
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    return aiter(stream)


def _failure(error: httpx.HTTPError) -> AttemptFailed:
    found = _told(error)
    _let_go(error)
    return found


def _let_go(error: BaseException | None) -> None:
    """Drop the frames of an error that is told of in words: they hold all that was sent, and some hold the error."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _told(error: httpx.HTTPError) -> AttemptFailed:
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return AttemptFailed(AttemptCause.CONNECT_TIMEOUT, f"no connection: {_root(error)}")
        case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol():
            return AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: {_root(error)}")
        case httpx.RemoteProtocolError() if "without sending" in str(error):
            return AttemptFailed(AttemptCause.CUT, "the connection was closed in the middle")
        case httpx.NetworkError() | httpx.TimeoutException():
            return AttemptFailed(AttemptCause.RESET, f"the connection broke: {_root(error)}")
        case httpx.LocalProtocolError():
            return AttemptFailed(AttemptCause.BAD_REQUEST, f"the request cannot be sent: {_root(error)}")
        case _:
            return AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: {_root(error)}")


def _root(error: BaseException) -> str:
    """The words of the innermost error: the outer ones only say that something went wrong."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(error.errno)  # asyncio's own words hide it: "Connect call failed"
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words)
