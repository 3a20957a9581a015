"""Addresses of hosts, and URLs."""

import re

_NAME = re.compile(r"[^\s\[\]:@/?#\\*]+")


def is_host(text: str) -> bool:
    """Whether it is the name or the address of a host alone: no URL, no port, no pattern, no brackets."""
    return is_address(text) if ":" in text else _NAME.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Whether it is an address, and no name."""
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_http(url: str) -> bool:
    """Whether it is a URL of HTTP that names a host."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is none
        return False


def is_loopback_host(host: str) -> bool:
    """Whether only this machine reaches a host."""
    from ipaddress import ip_address  # most commands ask nothing of an address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
