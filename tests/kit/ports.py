"""A port for a test alone."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_port() -> Iterator[int]:
    """A loopback port on which nobody listens; the test may, and the system gives it to nobody else meanwhile."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that others who say so may take it as well
        kept.bind(("127.0.0.1", 0))
        yield int(kept.getsockname()[1])
