"""Listening sockets, and the error that explains why an address cannot be bound."""

import errno
import socket
from collections.abc import Callable

from lanes.base.errors import ConfigError
from lanes.host.holder import holder_of

#: TCP keepalive: the idle time before the first probe (s), the interval (s), and how many probes may go unanswered.
#: Otherwise a message would run on for a client that lost its power or its network. It also keeps the connection in the
#: tables of routers on the way.
KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on this address; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that are known to be TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # accepted connections inherit it
        for name in KEEPALIVE_OPTIONS.keys() & vars(socket).keys():  # not every system has all of them
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEPALIVE_OPTIONS[name])
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def bound(host: str, port: int, instead: Callable[[OSError], str]) -> socket.socket:
    """``listen`` for a port that a person chose. ``instead``: what the error tells to change. Raises ConfigError."""
    try:
        return listen(host, port)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            holder = holder_of(port)
            reason += f", by {holder or 'another program'}"
        raise ConfigError(f"cannot listen on {host}:{port}: {reason}. Choose another {instead(error)}") from error


def url_of(listener: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
