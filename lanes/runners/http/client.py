"""HTTP towards providers: where a request goes, through which proxy, and which certificates are trusted."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

import certifi

from lanes.base.addresses import is_http
from lanes.base.errors import ConfigError
from lanes.base.proxies import Proxies, unusable
from lanes.config.declared.model import ProviderConfig
from lanes.host import descriptors
from lanes.runners.http.failures import NoDescriptor, NoThread
from lanes_storage.threads import in_thread

if TYPE_CHECKING:
    from lanes.runners.http.connections import Connections, Headers, ProviderResponse


class Through(NamedTuple):
    """How a provider is reached: its proxy and its certificates. None in a field: the same as for all providers."""

    proxy: str | None = None
    ca_file: str | None = None

    @classmethod
    def of(cls, provider: ProviderConfig) -> "Through":
        """How that provider is reached."""
        return cls(provider.proxy, provider.ca_file)


_AS_ALL = Through()


class HttpClient:
    """The connections of one process to all its providers.

    Nothing here limits time: the timeouts of libraries start again with each byte, so the caller keeps the clock.
    The number of connections is not limited either; the slots of the runners are the limit.
    ``mono`` is a monotonic time in seconds.
    Raises ConfigError where a proxy that the environment names cannot be used.
    """

    def __init__(self, mono: Callable[[], float] = time.monotonic) -> None:
        self._mono = mono
        self._connections: Connections | None = None
        self._loading = asyncio.Lock()
        try:
            self._proxies = Proxies()
            self._trusted: dict[str | None, ssl.SSLContext] = {None: _trusted()}
        except (ValueError, OSError) as error:
            raise unusable(error) from error

    def prepare(self, provider: str, through: Through) -> None:
        """Read the certificates of a provider. Raises ConfigError."""
        try:
            if through.ca_file not in self._trusted:
                self._trusted[through.ca_file] = ssl.create_default_context(cafile=through.ca_file)
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"provider {provider!a}: its ca_file ({through.ca_file}) cannot be used: {error}"
            ) from error

    @contextlib.asynccontextmanager
    async def post(
        self,
        url: str,
        body: bytes,
        headers: "Headers",
        connected: Callable[[], None],
        through: Through = _AS_ALL,
        *,
        method: str = "POST",
    ) -> AsyncIterator["ProviderResponse"]:
        """Send a request and yield the answer; ``connected`` is called when the request starts to go out.

        However the block is left, a response that was not read to its end closes its connection at once.
        Raises AttemptFailed, and NoDescriptor where the fault is this process's own.
        """
        connections = self._connections or await self._load()
        trusted, proxy = self._trusted[through.ca_file], self.proxy(url, through)
        answer = await connections.send(method, url, body, headers, connected, trusted=trusted, proxy=proxy)
        del body  # it may have megabytes, and the answer may take an hour
        try:
            yield answer
        finally:
            await answer.aclose()

    def proxy(self, url: str, through: Through = _AS_ALL) -> str | None:
        """The proxy for a request to this address: that of its provider, else the one that the environment names."""
        return self._proxies.of(url) if through.proxy is None else through.proxy

    async def _load(self) -> "Connections":
        """Load the library with the first request, in a thread: the start of a gateway does not wait for it."""
        async with self._loading:
            if self._connections is None:
                try:
                    factory = await in_thread(_library)
                except RuntimeError as error:
                    if not descriptors.is_no_thread(error):
                        raise
                    raise NoThread(str(error)) from error
                except OSError as error:
                    if not descriptors.is_shortage(error):
                        raise
                    descriptors.note_shortage()  # loading the library opens files
                    raise NoDescriptor from error
                self._connections = factory(self._mono)
        return self._connections

    async def aclose(self) -> None:
        """Close every connection."""
        if self._connections is not None:
            await self._connections.aclose()


def endpoint_of(provider: ProviderConfig, path: str) -> str:
    """The address of one route of a provider. Raises ConfigError."""
    return endpoint(provider.base_url, path, tuple(provider.query.items()))


@lru_cache(maxsize=256)
def endpoint(base_url: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> str:
    """The address of one route below a base URL, with that query. Raises ConfigError."""
    if not is_http(base_url):
        raise ConfigError("the address of the provider is not a base URL; write https://host/v1")
    url = urlsplit(base_url)
    joined = "&".join(part for part in (url.query, urlencode(query)) if part)
    return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/{path}", query=joined))


def _trusted() -> ssl.SSLContext:
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return _packaged()


@cache
def _packaged() -> ssl.SSLContext:
    """The certificates of certifi, read once: that takes longer than everything else that connections need."""
    return ssl.create_default_context(cafile=certifi.where())


def _library() -> "Callable[[Callable[[], float]], Connections]":
    from lanes.runners.http.connections import Connections

    return Connections
