"""Access checks before any route, on the ASGI scope."""

import hmac
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from lanes.base.addresses import is_address
from lanes.config.declared.model import GatewayConfig
from lanes.server.asgi.errors import HttpProblem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: Health checks send no token.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
TOKEN_HEADER = "x-lanes-token"

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\\\s]+)(:[0-9]{1,5})?")


class RequestGuard:
    """Host, origin and token."""

    def __init__(self, config: GatewayConfig) -> None:
        self._token = None if config.token is None else config.token.encode()
        self._hosts = LOOPBACK | {config.host.lower(), *(host.lower() for host in config.allowed_hosts)}
        self._beyond = config.host not in LOOPBACK
        # A cache, since clients send few different hosts.
        self._known = lru_cache(maxsize=64)(self._is_known)

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Raises HttpProblem for a host or an origin that is not allowed."""
        host = headers.get("host")
        if host is not None and not self._known(host):  # browsers send Host, HAProxy's health checks (HTTP/1.0) do not
            raise HttpProblem(403, "host", "this gateway does not accept this Host; see gateway.allowed_hosts")
        origin = headers.get("origin")
        if origin is not None and (host is None or _place_of(origin) != host.lower()):
            raise HttpProblem(403, "origin", "requests from other origins are refused")

    def check_token(self, path: str, headers: Mapping[str, str]) -> None:
        """Raises HttpProblem for a request without the token of the gateway, where it needs one."""
        if path in OPEN_PATHS or self._token is None:
            return
        carried = request_token(headers)
        if carried is None or not hmac.compare_digest(carried[1].encode("latin-1"), self._token):
            headers = {"WWW-Authenticate": "Bearer"}
            raise HttpProblem(401, "token", "this gateway needs a bearer token", headers)

    def _is_known(self, host: str) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = parts["name"].strip("[]").lower()
        return name in self._hosts or (self._beyond and is_address(name))  # DNS rebinding needs a name


def request_token(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """The header that carries the token of a request, and the token. Where ``X-Lanes-Token`` is given,
    ``Authorization`` belongs to the provider."""
    if TOKEN_HEADER in headers:
        return TOKEN_HEADER, headers[TOKEN_HEADER].strip()
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return ("authorization", token.strip()) if scheme.lower() == "bearer" else None


def check_content(headers: Mapping[str, str]) -> None:
    """Raises HttpProblem unless the body is plain JSON: a form on a foreign page can send only other types."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpProblem(415, "content_type", "send Content-Type: application/json")
    if (packed := headers.get("content-encoding", "identity").strip().lower()) not in ("", "identity"):
        raise HttpProblem(
            415, "content_type", f"the body is compressed ({packed[:40]}): send it without Content-Encoding"
        )


def _place_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
