"""The HTTP proxies that the environment names."""

import os
import sys
from urllib.parse import urlsplit

from lanes.base.addresses import is_http, is_loopback_host
from lanes.base.errors import ConfigError


def unusable(error: Exception) -> ConfigError:
    """The error for a proxy, or certificates, that the HTTP client refuses."""
    problem = f"the proxy or certificates that the environment names cannot be used: {error}"
    return ConfigError(f"{problem}; correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE")


class Proxies:
    """The proxies that the environment, or on macOS the system, names. Raises ValueError for an unusable one."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}
        if sys.platform != "darwin" and not any(name.lower().endswith("_proxy") for name in os.environ):
            return
        from urllib.request import getproxies  # with its imports, a megabyte of memory

        named = getproxies()
        for scheme in ("http", "https"):
            if proxy := named.get(scheme, named.get("all")):
                self._named[scheme] = proxy if "://" in proxy else f"http://{proxy}"
        if not all(map(is_http, self._named.values())):  # not shown: it may hold a password
            form = "http://host:3128; in a password / is %2F, and @ is %40"
            raise ValueError(f"it is not the address of an HTTP proxy ({form})")

    def of(self, url: str) -> str | None:
        """The proxy for a request to this URL; None: it is reached directly, as this machine always is."""
        if not self._named:
            return None
        from urllib.request import proxy_bypass

        parts = urlsplit(url)
        host = parts.hostname or ""
        if is_loopback_host(host) or proxy_bypass(host) or proxy_bypass(parts.netloc):
            return None
        return self._named.get(parts.scheme)
