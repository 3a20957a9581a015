"""Addresses of providers: what is written in a configuration, and what goes over the wire."""

from base64 import b64encode
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from lanes.errors import ConfigError

_PORTS = {"http": 80, "https": 443}
#: What may stand in a path and in a query as it is: what is encoded already stays so.
_PATH = "/%:@!$&'()*+,;=~"
_QUERY = _PATH + "?[]"


class Origin(NamedTuple):
    """Where connections go: those to one origin are interchangeable."""

    tls: bool
    host: str
    port: int


class Target(NamedTuple):
    """Where one request goes: for its first line, for its Host header, and who asks where the URL says so."""

    origin: Origin
    target: bytes
    host: bytes
    authorization: bytes | None


def endpoint(base_url: str, path: str) -> str:
    """The address of one route below a base URL; a query in the base URL stays. Raises ConfigError."""
    try:
        url = urlsplit(base_url)
        usable = url.scheme in _PORTS and bool(url.hostname) and url.port != 0
    except ValueError as error:
        raise ConfigError(f"{base_url!r} is no URL: {error}") from error
    if not usable:
        raise ConfigError(f"{base_url!r} is no base URL; write https://host/v1")
    return url._replace(path=f"{url.path.rstrip('/')}/{path}", fragment="").geturl()


@lru_cache(maxsize=256)
def target_of(address: str) -> Target:
    """The target of an address that ``endpoint`` made. Raises ValueError for a host that is no name."""
    url = urlsplit(address)
    name = (url.hostname or "").encode("idna").decode("ascii")
    port = url.port or _PORTS[url.scheme]
    shown = f"[{name}]" if ":" in name else name
    host = shown if port == _PORTS[url.scheme] else f"{shown}:{port}"
    line = quote(url.path or "/", safe=_PATH) + (f"?{quote(url.query, safe=_QUERY)}" if url.query else "")
    authorization = None
    if url.username is not None:
        who = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = b"Basic " + b64encode(who.encode())
    return Target(Origin(url.scheme == "https", name, port), line.encode("ascii"), host.encode("ascii"), authorization)
