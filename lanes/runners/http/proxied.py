"""The way to a provider through a proxy, its own or the one that the environment names: httpx. Loaded where there is
one."""

import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from lanes.host.optional import without
from lanes.runners.http.answers import Headers, ProviderResponse, root, told
from lanes.runners.http.failures import AttemptFailed, NoDescriptor
from lanes_storage.law import AttemptCause

# Its command line brings rich and pygments with it.
with without("httpx._main"):
    import httpx

_NOTHING = httpx.ByteStream(b"")


class Proxied:
    """Connections whose number is not limited; without a ``proxy`` through the one that the environment names.

    ``mono`` is a monotonic time in seconds. Raises ImportError, ValueError, OSError for a proxy of no use.
    """

    def __init__(
        self, trusted: ssl.SSLContext, kept_idle_s: float, mono: Callable[[], float], proxy: str | None = None
    ) -> None:
        self._mono = mono
        limits = httpx.Limits(max_connections=None, keepalive_expiry=kept_idle_s)
        self._client = httpx.AsyncClient(
            verify=trusted, timeout=None, limits=limits, follow_redirects=False, proxy=proxy
        )

    async def send(
        self, url: str, body: bytes, headers: Headers, connected: Callable[[], None], method: str = "POST"
    ) -> ProviderResponse:
        """Send a request; ``connected`` is called when it starts to go out. Raises AttemptFailed, NoDescriptor."""

        fresh, began = False, self._mono()

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            nonlocal fresh
            fresh = fresh or event.startswith("connection.connect")
            # To a tunnelling proxy goes a CONNECT of its own first.
            if event.endswith("send_request_headers.started") and info["request"].method == method.encode():
                connected()

        # Not made by the client, which would merge its headers, its cookies and its base address into each request. As
        # the direct way does, values go out in UTF-8, without what has no UTF-8.
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        given = [(name.encode(errors="ignore"), value.encode(errors="ignore")) for name, value in pairs]
        try:
            request = httpx.Request(method, url, content=body or None, headers=given, extensions={"trace": trace})
            return ProxiedResponse(await self._client.send(request, stream=True))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _told(error, None if fresh else self._mono() - began) from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()


class ProxiedResponse(ProviderResponse):
    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code, response.headers, response.headers.raw)
        self._response = response

    async def _body(self) -> AsyncGenerator[bytes, None]:
        assert isinstance(self._response.stream, httpx.AsyncByteStream)
        try:
            async for chunk in self._response.stream:
                yield chunk
        except httpx.HTTPError as error:
            raise _told(error) from error

    async def aclose(self) -> None:
        await self._response.aclose()
        # The client's own stream names its response, which names the request with all that was sent: a circle, in
        # which that would stay until somebody looks for garbage.
        self._response.stream = _NOTHING


def _told(error: Exception, kept_s: float | None = None) -> AttemptFailed | NoDescriptor:
    return told(error, _failure(error), kept_s, connecting=isinstance(error, httpx.ConnectError))


def _failure(error: Exception) -> AttemptFailed:
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return AttemptFailed(AttemptCause.CONNECT_TIMEOUT, f"no connection: {root(error)}")
        case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return AttemptFailed(AttemptCause.UNREACHABLE, f"not reachable: {root(error)}")
        case httpx.RemoteProtocolError() if "without sending" in str(error):
            return AttemptFailed(AttemptCause.CUT, "the connection was closed in the middle")
        case httpx.NetworkError() | httpx.TimeoutException() | OSError():
            return AttemptFailed(AttemptCause.RESET, f"the connection broke: {root(error)}")
        case httpx.LocalProtocolError():
            return AttemptFailed(AttemptCause.BAD_REQUEST, f"the request cannot be sent: {root(error)}")
        case _:
            return AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: {root(error)}")
