"""Which headers pass, in both directions."""

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from lanes.config.declared.model import SourceConfig
from lanes.runners.http.unpacking import PLAIN

#: Headers of one connection (RFC 9110, 7.6.1), and those that each side makes for itself.
OF_THE_CONNECTION = frozenset(
    {
        "connection", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
#: Headers that carry the key of a client.
KEYS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
OURS = "x-lanes-"
#: Query parameters that carry it.
PARAMETERS = frozenset({"key", "api-key", "api_key", "apikey", "x-api-key", "access_token", "token", "auth"})

RawHeaders = Sequence[tuple[bytes, bytes]]


def outgoing(
    came: RawHeaders, source: SourceConfig, ours: Iterable[str], dialect_key: str, *, followed: bool
) -> list[tuple[str, str]]:
    """The headers of a request to the provider of a source, in their order.

    ``ours``: those that carried the token of the source. Unless the provider is asked with the keys of clients, no key
    of a client passes; the provider's key is sent as ``dialect_key`` unless the configuration names another header.
    ``followed``: the answer is read on its way, and lanes may add an event, so it is requested uncompressed.
    """
    provider = source.provider
    added = {"accept-encoding": PLAIN} if followed and "accept-encoding" not in map(str.lower, provider.headers) else {}
    added |= provider.headers
    dropped = {*_of_the_connection(came), "content-length", *ours, *map(str.lower, added)}
    if not provider.clients_key:
        dropped |= {*KEYS, (provider.api_key_header or dialect_key).lower()}
    sent = [
        (name.decode("latin-1"), _text(value))
        for name, value in came
        if (plain := name.decode("latin-1").lower()) not in dropped and not plain.startswith(OURS)
    ]
    sent += added.items()
    if (key := provider.key_header(dialect_key)) is not None:
        sent.append(key)
    return sent


def outgoing_query(query: str, source: SourceConfig) -> str:
    """The query of a request to the provider of a source, without keys if the provider is asked with its own key."""
    if source.provider.clients_key:
        return query
    parts = query.split("&")
    return "&".join(part for part in parts if unquote(part.partition("=")[0]).lower() not in PARAMETERS)


def _text(value: bytes) -> str:
    """The value of a header as text. It is sent as UTF-8, in which most values that are not ASCII come."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def incoming(came: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The headers of an answer to the client, in their order."""
    dropped = _of_the_connection(came)
    kept = ((name.lower(), value) for name, value in came)
    return [(name, value) for name, value in kept if name.decode("latin-1") not in dropped]


def _of_the_connection(came: RawHeaders) -> frozenset[str]:
    """The headers that belong to one connection, including those that its Connection header names."""
    values = [value.decode("latin-1") for name, value in came if name.lower() == b"connection"]
    return OF_THE_CONNECTION.union(word.strip().lower() for value in values for word in value.split(","))
