"""Addresses of hosts, and URLs."""

import re

_NAME = re.compile(r"[^\s\[\]:@/?#\\*]+")


def is_host(text: str) -> bool:
    """Whether a text is only the name or the IP address of a host: no URL, no port, no pattern, no brackets."""
    return is_address(text) if ":" in text else _NAME.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_http(url: str) -> bool:
    """Whether it is an ``http`` or ``https`` URL that names a host."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an incomplete IPv6 address, or an invalid port
        return False


def is_loopback_host(host: str) -> bool:
    """Whether only this machine can reach that host."""
    from ipaddress import ip_address  # most commands do not need it

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
