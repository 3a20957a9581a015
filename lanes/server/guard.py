"""Who may come in: the checks before any route, on the bare ASGI scope."""

import hmac
import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from lanes.config.model import GatewayConfig
from lanes.server.problems import HttpProblem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: Probes carry no token.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})


class Guard:
    """Host, origin, token and content type."""

    def __init__(self, config: GatewayConfig) -> None:
        self._token = None if config.token is None else config.token.encode()
        self._hosts = LOOPBACK | {config.host.lower(), *(host.lower() for host in config.allowed_hosts)}
        self._beyond = config.host not in LOOPBACK
        # Clients send the same few; what they send otherwise is forgotten.
        self._known = lru_cache(maxsize=64)(self._is_known)

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Raises HttpProblem for a request that may not come in."""
        host = headers.get("host", "")
        if not self._known(host):
            raise HttpProblem(403, "host", "this gateway does not answer to that Host; see gateway.allowed_hosts")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise HttpProblem(403, "origin", "requests from other origins are refused")
        if path not in OPEN_PATHS and self._token is not None:
            self._check_token(headers.get("authorization", ""))
        if method == "POST":
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise HttpProblem(415, "content_type", "send Content-Type: application/json")

    def _check_token(self, authorization: str) -> None:
        scheme, _, given = authorization.partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token or b"")
        if scheme.lower() != "bearer" or not right:
            headers = {"WWW-Authenticate": "Bearer"}
            raise HttpProblem(401, "token", "this gateway needs a bearer token", headers)

    def _is_known(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._hosts:
            return True
        return self._beyond and _is_address(name)  # a rebound name is never a bare address


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
