"""HTTP to a remote gateway: the only module of the drivers that imports httpx, and only where --url is used."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lanes.base.addresses import is_loopback_host
from lanes.base.errors import ConfigError, LanesError
from lanes.base.proxies import Proxies, unusable
from lanes.base.terminal import without_password
from lanes.host.holder import stopped_holder_of
from lanes.host.optional import without
from lanes.records.problems import DATABASE, error_of, is_problem
from lanes_storage.errors import NotStorable, StorageError

with without("httpx._main"):
    import httpx

#: A gateway that is silent for this long, before its answer begins or within it, counts as unreachable.
PATIENCE_S = 5.0
#: The longest time for sending a request, and for receiving a body; one that arrives faster than ``LEAST_BYTES_PER_S``
#: may take longer.
TRANSFER_S = 30.0
LEAST_BYTES_PER_S = 1_000_000
#: The largest response: a gateway ends a page when its texts reach 16 million characters of at most 12 bytes of JSON
#: each.
MOST_BYTES = 256 * 1024 * 1024
UNKNOWN = "; whether it did what was asked is not known"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.LocalProtocolError)
OWN_CA = "if its certificate is from a CA of your own, name the CA's file: SSL_CERT_FILE=FILE"
_UNKNOWN_CA = re.compile(r"CERTIFICATE_VERIFY_FAILED.*(issuer|self.signed)")
_JSON = frozenset({"application/json", "application/problem+json"})


class GatewayUnreachable(StorageError):
    """The gateway does not answer, or its database does not."""

    code = "gateway"

    def __init__(self, url: str, detail: str, *, fix: str | None = None) -> None:
        super().__init__(f"gateway {url}", detail)
        self.fix = fix or (
            f"see whether it runs there and can be reached from here (`curl {url}/healthz`), or use --db on its host"
        )


class NoRoute(GatewayUnreachable):
    """The gateway does not know the route: it is older than that."""


class GatewayClient:
    """One gateway. Raises GatewayUnreachable, and the errors that the gateway reports."""

    def __init__(self, url: str, token: str | None) -> None:
        """Raises ConfigError if the URL is not one of a gateway, no header can carry the token, or the environment
        names a proxy or certificates that cannot be used."""
        base, here = None, False
        with contextlib.suppress(httpx.InvalidURL, UnicodeError):
            here = is_loopback_host(httpx.URL(url).host)  # raises for an invalid name
            base = httpx.URL(url)
        if base is None or base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
            # Any part of such a URL may be a secret.
            shown = "this" if "@" in url or "?" in url else repr(without_password(url))
            raise ConfigError(f"{shown} is not the URL of a gateway: write http://HOST:PORT")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ConfigError("LANES_TOKEN is not a token: it has characters other than printable ASCII")
        self.url = without_password(url.rstrip("/"))
        # A compressed response could expand to any size.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        # No proxy is used for this machine. Certificates are read only for https, since that takes longer than a
        # request. Redirects are not followed.
        try:
            trusted = base.scheme == "https" and httpx.create_ssl_context()
            proxy = None if here else Proxies().of(str(base))
            self._http = httpx.Client(base_url=base, headers=headers, trust_env=False, verify=trusted, proxy=proxy)
        except (httpx.InvalidURL, ValueError, OSError) as error:
            raise unusable(error) from error
        self._deadline = _Deadline()

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        patience_s: float | None = None,
        within_s: float | None = None,
        changes: bool = False,
    ) -> Any:
        """Return the JSON of a response.

        ``patience_s``: the longest time until it begins; ``within_s``: until it is complete.
        ``changes``: the request has a side effect; without a response its result is unknown.
        """
        timeout = min(patience_s or PATIENCE_S, float("inf") if within_s is None else within_s)
        asked = {
            "params": {name: value for name, value in (query or {}).items() if value is not None},
            "json": body,
            "headers": headers,
        }
        with self._response(method, path, timeout, within_s, changes=changes, **asked) as response:
            answer = self._json(response, changes=changes)
        if response.is_success:
            return answer
        raise self._error(response.status_code, answer)

    def knock(self) -> None:
        """Raise GatewayUnreachable if no server answers, gateway or not."""
        with self._response("GET", "/healthz", PATIENCE_S):
            pass

    @contextlib.contextmanager
    def _response(
        self,
        method: str,
        path: str,
        timeout: float,
        within_s: float | None = None,
        *,
        changes: bool = False,
        **asked: Any,
    ) -> Iterator[httpx.Response]:
        """A response whose head has arrived. Raises GatewayUnreachable, also if its body does not arrive."""
        self._deadline.begin(timeout, within_s)
        try:
            watched = {"trace": self._deadline.watch}
            request = self._http.build_request(method, path, timeout=timeout, extensions=watched, **asked)
            response = self._http.send(request, stream=True)
            self._deadline.in_body()
            try:
                yield response
            finally:
                response.close()
        except (httpx.HTTPError, UnicodeError) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            if isinstance(error, httpx.TimeoutException):
                reason = self._deadline.missed() or f"no answer within {timeout:.3g} s{self._halted()}"
            fix = OWN_CA if _UNKNOWN_CA.search(reason) else None
            reason += UNKNOWN if changes and not isinstance(error, _NOT_SENT) else ""
            raise GatewayUnreachable(self.url, reason, fix=fix) from error

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def _halted(self) -> str:
        """The clause that the gateway's process is stopped, if it is, and runs on this host."""
        base = self._http.base_url
        port = base.port or (443 if base.scheme == "https" else 80)
        pid = stopped_holder_of(port) if is_loopback_host(base.host) else None
        return "" if pid is None else f": its process {pid} is stopped; `kill -CONT {pid}` lets it go on"

    def _json(self, response: httpx.Response, *, changes: bool) -> Any:
        """The JSON of a body. Raises GatewayUnreachable, also if the server is no gateway."""
        if response.headers.get("content-type", "").partition(";")[0].strip().lower() in _JSON:
            body = bytearray()
            for piece in response.iter_raw():
                body += piece
                self._deadline.received(len(piece))
                if len(body) > MOST_BYTES:
                    raise GatewayUnreachable(self.url, f"its answer is longer than {MOST_BYTES} bytes")
            with contextlib.suppress(ValueError, RecursionError):
                return json.loads(body)
        reason = f"it answered {response.status_code} without JSON: is it a gateway of lanes?"
        unknown = changes and response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR  # a proxy may have given up
        raise GatewayUnreachable(self.url, reason + UNKNOWN if unknown else reason)

    def _error(self, status: int, document: Any) -> LanesError | StorageError | NotStorable:
        if status < 400 or not is_problem(document):
            reason = f"it answered {status} without a problem document: is it a gateway of lanes?"
            return GatewayUnreachable(self.url, reason)
        if status == httpx.codes.UNAUTHORIZED:
            has_token = "Authorization" in self._http.headers
            reason = "refuses the token in LANES_TOKEN" if has_token else "needs its bearer token: set LANES_TOKEN"
            return ConfigError(f"gateway {self.url} {reason}")
        if document.get("code") == "no_route":
            reason = "it has no such route: is it a gateway of lanes, and not older than this command?"
            return NoRoute(self.url, reason)
        error = error_of(document)
        known = type(error) is not LanesError
        if document.get("code") == DATABASE or (status >= 500 and not known):
            fix = "do that on its host" if document.get("code") == DATABASE else None
            return GatewayUnreachable(self.url, str(error), fix=fix)
        return error


class _Deadline(threading.local):
    """Limits each part of an exchange of this thread: the request, the head of the response, its body. The timeouts of
    httpx apply to each read of the socket, so a response that arrives byte by byte would never time out.
    """

    _until = 0.0  # the end of the current part
    _end = 0.0  # the end of the exchange
    _patience_s = 0.0
    _allowed_s: float | None = None  # how long the body may take; None: it has not begun

    def begin(self, patience_s: float, within_s: float | None) -> None:
        """Start an exchange."""
        now = time.monotonic()
        self._patience_s, self._allowed_s = patience_s, None
        self._end = now + within_s if within_s is not None else float("inf")
        self._until = now + TRANSFER_S

    def in_body(self) -> None:
        """The head of the response has arrived."""
        self._allowed_s = min(TRANSFER_S, max(0.0, self._end - time.monotonic()))
        self._until = time.monotonic() + self._allowed_s

    def received(self, size: int) -> None:
        """A part of the body has arrived."""
        self._until += size / LEAST_BYTES_PER_S

    def missed(self) -> str | None:
        """The sentence for a body that took too long; None if another part did."""
        if self._allowed_s is None or self._left() > 0:
            return None
        return f"no complete answer within {self._allowed_s:.3g} s"

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """The trace function for httpcore: applies the deadline of the using thread to each connection it opens."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            stream = info["return_value"]
            stream.read, stream.write = self._bounded(stream.read), self._bounded(stream.write)
        elif event.endswith("send_request_body.complete"):
            self._until = time.monotonic() + self._patience_s

    def _left(self) -> float:
        return min(self._until, self._end) - time.monotonic()

    def _bounded(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def bounded(argument: Any, timeout: float | None = None) -> Any:
            left = max(0.001, self._left())
            return work(argument, left if timeout is None else min(timeout, left))

        return bounded
