"""Addresses of this machine."""


def is_loopback_host(host: str) -> bool:
    """Whether only this machine reaches a host."""
    from ipaddress import ip_address  # most commands ask nothing of an address

    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
