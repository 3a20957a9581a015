"""HTTP towards providers: which way a request goes, and where to."""

import asyncio
import contextlib
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import cache, lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

import certifi

from lanes.base.errors import ConfigError
from lanes.config.declared.model import ProviderConfig
from lanes.host import descriptors
from lanes.runners.http.answers import Headers, ProviderResponse
from lanes.runners.http.failures import NoDescriptor
from lanes_storage.threads import in_thread

#: Idle connections are kept so long for the next request. Common servers close theirs after 5 s; one that is closed
#: while a request goes out on it looks like a reset, so ours go first.
KEPT_IDLE_S = 4.0

# A proxy named by the environment is for the outside; what runs on this machine is reached directly.
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Way(Protocol):
    """Connections of one library."""

    async def send(
        self, url: str, body: bytes, headers: Headers, connected: Callable[[], None], method: str = "POST"
    ) -> ProviderResponse:
        """Send a request; ``connected`` is called when it starts to go out. Raises AttemptFailed, NoDescriptor."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Through(NamedTuple):
    """How a provider is reached: its proxy, and its certificates. None in a field means as for all providers."""

    proxy: str | None = None
    ca_file: str | None = None

    @classmethod
    def of(cls, provider: ProviderConfig) -> "Through":
        """How that provider is reached."""
        return cls(provider.proxy, provider.ca_file)


_AS_ALL = Through()


class HttpClient:
    """The connections of one process to all its providers.

    Nothing here limits time: libraries count per read, and one byte would do. Whoever calls keeps the clock.
    The number of connections is not limited either; the slots of the runners are the limit.
    ``mono`` is a monotonic time in seconds.
    Raises ConfigError where a proxy that the environment names cannot be used.
    """

    def __init__(self, mono: Callable[[], float] = time.monotonic) -> None:
        self._mono = mono
        self._ways: dict[tuple[Through, bool], Way] = {}  # by how, and whether a proxy stands between
        self._trusted: dict[str | None, ssl.SSLContext] = {}
        self._loading = asyncio.Lock()
        self._proxied = _proxy_named()
        try:
            self._trusted[None] = _trusted()
            if self._proxied:
                self._ways[_AS_ALL, True] = _proxied(self._trusted[None], self._mono, None)
        except (ImportError, ValueError, OSError) as error:
            problem = f"the proxy or certificates that the environment names cannot be used: {error}"
            raise ConfigError(f"{problem}; correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE") from error

    def prepare(self, provider: str, through: Through) -> None:
        """Read the certificates of a provider, and prepare its proxy. Raises ConfigError."""
        if through == _AS_ALL:
            return
        try:
            if through.ca_file not in self._trusted:
                self._trusted[through.ca_file] = ssl.create_default_context(cafile=through.ca_file)
            if through.proxy is not None or self._proxied:
                self._ways[through, True] = _proxied(self._trusted[through.ca_file], self._mono, through.proxy)
        except (ImportError, ValueError, OSError) as error:
            named = " or ".join(filter(None, through))
            raise ConfigError(
                f"provider {provider!a}: its proxy or ca_file ({named}) cannot be used: {error}"
            ) from error

    @contextlib.asynccontextmanager
    async def post(
        self,
        url: str,
        body: bytes,
        headers: Headers,
        connected: Callable[[], None],
        through: Through = _AS_ALL,
        *,
        method: str = "POST",
    ) -> AsyncIterator[ProviderResponse]:
        """Send a request and give the answer; ``connected`` is called when the request starts to go out.

        However the block is left, a response that was not read to its end closes its connection at once.
        Raises AttemptFailed, and NoDescriptor where the fault is this process's own.
        """
        way = self.way(url, through) or await self._load(through)
        answer = await way.send(url, body, headers, connected, method)
        del body  # it may have megabytes, and the answer may take an hour
        try:
            yield answer
        finally:
            await answer.aclose()

    def way(self, url: str, through: Through = _AS_ALL) -> Way | None:
        """The connections for a request to this address; None if their library is not loaded yet."""
        here = through.proxy is None and (not self._proxied or urlsplit(url).hostname in _HERE)
        return self._ways.get((through, not here))

    async def _load(self, through: Through) -> Way:
        """Load the library with the first request, in a thread: the start of a gateway does not wait for it."""
        async with self._loading:
            if (through, False) not in self._ways:
                try:
                    made_by = await in_thread(_connections)
                except OSError as error:
                    if not descriptors.is_shortage(error):
                        raise
                    descriptors.note_shortage()  # what is loaded is files, too
                    raise NoDescriptor from error
                self._ways[through, False] = made_by(self._trusted[through.ca_file], KEPT_IDLE_S, self._mono)
        return self._ways[through, False]

    async def aclose(self) -> None:
        """Close every connection."""
        for way in self._ways.values():
            await way.aclose()


def endpoint_of(provider: ProviderConfig, path: str) -> str:
    """The address of one route of a provider. Raises ConfigError."""
    return endpoint(provider.base_url, path, tuple(provider.query.items()))


@lru_cache(maxsize=256)
def endpoint(base_url: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> str:
    """The address of one route below a base URL, with that query. Raises ConfigError."""
    try:
        url = urlsplit(base_url)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("the address of the provider is no base URL; write https://host/v1")
    asked = "&".join(part for part in (url.query, urlencode(query)) if part)
    return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/{path}", query=asked))


def _proxy_named() -> bool:
    """Whether the environment, or on macOS the system, names a proxy."""
    if sys.platform != "darwin" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return False
    from urllib.request import getproxies  # a megabyte with what it imports

    return not {"http", "https", "all"}.isdisjoint(getproxies())  # NO_PROXY alone names none


def _trusted() -> ssl.SSLContext:
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return _packaged()


@cache
def _packaged() -> ssl.SSLContext:
    """To read these takes longer than everything else that the connections need."""
    return ssl.create_default_context(cafile=certifi.where())


def _proxied(trusted: ssl.SSLContext, mono: Callable[[], float], proxy: str | None) -> Way:
    from lanes.runners.http.proxied import Proxied

    return Proxied(trusted, KEPT_IDLE_S, mono, proxy)


def _connections() -> Callable[[ssl.SSLContext, float, Callable[[], float]], Way]:
    from lanes.runners.http.direct import Connections

    return Connections
