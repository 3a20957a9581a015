"""HTTP towards providers through a proxy that the environment names. httpx knows how, and is imported for nothing else.

What goes to them directly, as nearly everything does, takes ``lanes.runners.pool``: httpx looks at each of its idle
connections for every request, and reads every piece of a stream in Python.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from lanes.errors import ConfigError
from lanes.runners.answer import Answer, Body
from lanes.runners.exchange import words_of
from lanes.runners.failures import AttemptFailed
from lanes.runners.pool import KEPT_IDLE, KEPT_IDLE_S
from lanes.without import without
from lanes_storage.law import AttemptCause

# Its command line brings rich and pygments with it: a sixth of the time in which a gateway starts.
with without("httpx._main"):
    import httpx


class ProxiedWay:
    """Implements ``Way``. Raises ConfigError where a proxy that the environment names cannot be used."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_IDLE, keepalive_expiry=KEPT_IDLE_S)
        try:
            self._client = httpx.AsyncClient(timeout=None, limits=limits, follow_redirects=False)
        except (ImportError, ValueError, OSError) as error:
            problem = f"the proxy or certificates that the environment names cannot be used: {error}"
            raise ConfigError(f"{problem}; correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE") from error
        # httpx would add its own to each request.
        self._client.headers.clear()

    @contextlib.asynccontextmanager
    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], connected: Callable[[], None]
    ) -> AsyncIterator[Answer]:
        async def trace(event: str, info: Mapping[str, Any]) -> None:
            # To a tunnelling proxy goes a CONNECT of its own first.
            if event.endswith("send_request_headers.started") and info["request"].method == b"POST":
                connected()

        try:
            async with self._client.stream(
                "POST", url, content=body, headers=dict(headers), extensions={"trace": trace}
            ) as response:
                yield Answer(response.status_code, response.headers.get, lambda: _body(response))
        except httpx.HTTPError as error:
            raise _failure(error) from error

    async def aclose(self) -> None:
        await self._client.aclose()


async def _body(response: httpx.Response) -> Body:
    encoded = "content-encoding" in response.headers
    try:
        async for chunk in response.aiter_bytes() if encoded else response.aiter_raw():
            yield chunk
    except httpx.HTTPError as error:
        raise _failure(error) from error


def _failure(error: httpx.HTTPError) -> AttemptFailed:
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
    return words_of(error)
