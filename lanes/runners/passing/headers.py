"""Which headers pass, in both directions."""

from collections.abc import Iterable, Sequence

from lanes.config.declared.model import SourceConfig

#: Headers of one connection (RFC 9110, 7.6.1), and those that each side makes for itself.
OF_THE_CONNECTION = frozenset(
    {
        "connection", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
#: Headers that carry the key of a client.
KEYS = ("authorization", "x-api-key", "api-key")
OURS = "x-lanes-"

RawHeaders = Sequence[tuple[bytes, bytes]]


def outgoing(came: RawHeaders, source: SourceConfig, ours: Iterable[str], dialect_key: str) -> list[tuple[str, str]]:
    """The headers of a request to the provider of a source, in their order.

    ``ours``: those that carried the token of the source. Where the provider is not asked with the keys of clients, no
    key of a client passes; its own stands in ``dialect_key`` unless the configuration names another header.
    """
    provider = source.provider
    dropped = {*OF_THE_CONNECTION, "content-length", *ours, *map(str.lower, provider.headers)}
    if not provider.clients_key:
        dropped |= {*KEYS, (provider.api_key_header or dialect_key).lower()}
    named = _named_by_connection(came)
    sent = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in came
        if (plain := name.decode("latin-1").lower()) not in dropped
        and plain not in named
        and not plain.startswith(OURS)
    ]
    sent += provider.headers.items()
    if provider.api_key:
        header = provider.api_key_header or dialect_key
        key = f"Bearer {provider.api_key}" if header.lower() == "authorization" else provider.api_key
        sent.append((header, key))
    return sent


def incoming(came: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The headers of an answer to the client, in their order."""
    named = _named_by_connection(came)
    kept = ((name.lower(), value) for name, value in came)
    return [(name, value) for name, value in kept if not {name.decode("latin-1")} & (OF_THE_CONNECTION | named)]


def _named_by_connection(came: RawHeaders) -> set[str]:
    """What a Connection header names is of the connection, too."""
    values = [value.decode("latin-1") for name, value in came if name.lower() == b"connection"]
    return {word.strip().lower() for value in values for word in value.split(",") if word.strip()}
