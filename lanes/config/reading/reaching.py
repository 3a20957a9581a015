"""Checks how a provider is reached: its headers, the fields that are added to each body, its proxy."""

import json
import re

from lanes.base.addresses import is_http
from lanes.config.declared.presets import HEADER_NAME
from lanes.config.declared.refusal import refusal
from lanes.config.reading.sections import ArrayElement

#: Headers that hold secrets, which are never written, and headers that lanes itself sets.
SECRET = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})
OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}
)
#: Body fields that another setting or lanes itself sets.
DECIDED = frozenset({"model", "stream"})

_PROXY = re.compile(r"https?://[^\s/?#@]+/?")


def check(row: ArrayElement) -> None:
    """Refuse values that cannot be sent, that are secrets, or that lanes itself sets. Raises ConfigError."""
    _check_headers(row)
    _check_body(row)
    proxy = row.values["proxy"]
    # not shown: it may hold a password
    if proxy.value is not None and not (_PROXY.fullmatch(proxy.value) and is_http(proxy.value)):
        fix = "write, say, http://host:3128, without a name and a password"
        raise proxy.refused("it is not the address of an HTTP proxy", fix)


def _check_headers(row: ArrayElement) -> None:
    headers, named = row.values["headers"], row.values["api_key_header"]
    if named.value is not None and (not HEADER_NAME.fullmatch(named.value) or named.value.lower() in OURS):
        raise named.refused("no header of that name can carry a key", "write, say, api-key")  # it may be the key
    for name, value in (headers.value or {}).items():
        key = f"{headers.key}.{name}"
        if name.lower() in SECRET:
            fix = "use api_key_env or api_key_file, and api_key_header where the header has another name"
            raise refusal(headers.where, key, "secrets are named, never written", fix)
        if not HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise refusal(
                headers.where, key, "it cannot be sent as an HTTP header", "write one line of printable ASCII"
            )
        if name.lower() in OURS or name.lower().startswith("x-lanes-"):
            raise refusal(headers.where, key, "lanes sets it itself", "take it out")


def _check_body(row: ArrayElement) -> None:
    body = row.values["extra_body"]
    for name, value in (body.value or {}).items():
        key = f"{body.key}.{name}"
        if name in DECIDED:
            raise refusal(body.where, key, "lanes sets it itself, or by another setting", "take it out")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise refusal(body.where, key, "JSON has no such value", "write a text in its place") from None
