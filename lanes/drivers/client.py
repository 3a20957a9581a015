"""HTTP to a gateway elsewhere: the one module of the drivers that imports httpx, and only where --url is used."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from lanes.base.errors import ConfigError, LanesError
from lanes.base.terminal import without_password
from lanes.host.optional import without
from lanes.records.problems import DATABASE, error_of
from lanes_storage.errors import StorageError

with without("httpx._main"):
    import httpx

#: A gateway that has not answered by then is not reachable.
PATIENCE_S = 5.0


class GatewayUnreachable(StorageError):
    """The gateway does not answer, or its database does not."""

    fix = "see whether it runs there and can be reached from here (`curl URL/healthz`), or use --db on its host"

    def __init__(self, url: str, detail: str, *, fix: str | None = None) -> None:
        super().__init__(f"gateway {url}", detail)
        self.fix = fix or self.fix


class GatewayClient:
    """One gateway. Raises GatewayUnreachable, and the errors that the gateway tells of."""

    def __init__(self, url: str, token: str | None) -> None:
        """Raises ConfigError for what is no URL of a gateway."""
        try:
            base = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{url!r} is no URL of a gateway: {error}") from error
        if base.scheme not in ("http", "https") or not base.host:
            raise ConfigError(f"{without_password(url)!r} is no URL of a gateway: write http://HOST:PORT")
        self.url = without_password(url.rstrip("/"))
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # A proxy that the environment names is for what is outside, not for this machine.
        self._http = httpx.Client(base_url=base, headers=headers, trust_env=not _on_loopback(base.host))

    def get(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        patience_s: float | None = None,
    ) -> Any:
        """The JSON of an answer."""
        wanted = {"Accept": "application/json", **(headers or {})}
        return self._ask("GET", path, query, headers=wanted, timeout=patience_s or PATIENCE_S)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        patience_s: float | None = None,
        changes: bool,
    ) -> Any:
        """The JSON of an answer. Fields of the body that are None are left out. ``changes``: it is no mere question."""
        given = {name: value for name, value in body.items() if value is not None}
        timeout = patience_s or PATIENCE_S
        return self._ask("POST", path, query, headers=headers, json=given, timeout=timeout, changes=changes)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        *,
        timeout: float,
        changes: bool = False,
        **more: Any,
    ) -> Any:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = self._http.request(method, path, params=params, timeout=timeout, **more)
        except httpx.TimeoutException as error:
            said = f"no answer within {timeout:g} s"
            if changes:
                said += "; whether it did what was asked is not known"
            raise GatewayUnreachable(self.url, said) from error
        except (httpx.HTTPError, UnicodeError) as error:
            raise GatewayUnreachable(self.url, str(error) or type(error).__name__) from error
        try:
            answer = response.json()
        except ValueError as error:
            said = f"it answered {response.status_code} without JSON: is it a gateway of lanes?"
            raise GatewayUnreachable(self.url, said) from error
        if response.is_success:
            return answer
        raise self._error(response.status_code, answer if isinstance(answer, dict) else {})

    def _error(self, status: int, document: dict[str, Any]) -> LanesError | StorageError:
        if status == httpx.codes.UNAUTHORIZED:
            return ConfigError(f"gateway {self.url} needs its bearer token: set LANES_TOKEN")
        error = error_of(document)
        known = type(error) is not LanesError
        if document.get("code") == DATABASE or (status >= 500 and not known):
            fix = "all of that on its host" if document.get("code") == DATABASE else None
            return GatewayUnreachable(self.url, str(error), fix=fix)
        return error


def _on_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
