"""Access to the dashboard in a browser: the hosts and origins that are allowed, headers, and the token."""

import hmac
import json
import secrets
from collections.abc import Mapping

from aiohttp import web

#: The names under which a browser on this machine reaches the server. Any other may be the name of a foreign
#: page that was pointed at this machine (DNS rebinding).
NAMES = ("127.0.0.1", "localhost")
_SHUT = "default-src 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _SHUT,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Access:
    """The checks of the requests to a server on a port."""

    def __init__(self, port: int, token: str) -> None:
        self._hosts = frozenset(f"{name}:{port}" for name in NAMES)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)
        self._token = token.encode()

    def check(self, request: web.Request, *, origin: bool) -> None:
        """Raise HTTPForbidden for a foreign Host or Origin; ``origin``: also for a missing Origin."""
        hosts, origins = request.headers.getall("Host", []), request.headers.getall("Origin", [])
        named = len(hosts) == 1 and hosts[0] in self._hosts
        if not named or len(origins) > 1 or not self._origins.issuperset(origins) or (origin and not origins):
            raise web.HTTPForbidden(text="refused: open the address that the terminal shows, on this machine\n")

    def knows(self, first: str) -> bool:
        """Whether the first message of a WebSocket is the token. Compared in constant time."""
        try:
            message = json.loads(first)
        except (ValueError, RecursionError):
            return False
        match message:
            case ["token", str(token)]:
                return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)
        return False


def new_nonce() -> str:
    """A random word, which no other page can know."""
    return secrets.token_urlsafe(18)


def page_policy(host: str, nonce: str) -> Mapping[str, str]:
    """The policy of the page: its own files and its own WebSocket, and nothing from anywhere else."""
    parts = (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' 'nonce-{nonce}'",
        "font-src 'self'",
        "img-src data:",
        f"connect-src ws://{host}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {"Content-Security-Policy": "; ".join(parts)}


async def shut(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that keep a response from other pages, also to refusals."""
    del request
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "lanes"
