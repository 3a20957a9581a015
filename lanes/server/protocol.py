"""HTTP/1.1 as uvicorn speaks it, with limits on how long a head may be, and how long a request may take to come.

Without them, whoever connects and says little holds a connection for ever. Nothing is timed for each request: the
server looks over all its connections now and then.
"""

import asyncio
import json
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lanes.problems import Problem
from lanes.server.writes import TurnTransport

#: How long a client may take from its first byte, or from connecting, to the end of the head.
HEAD_S = 10.0
#: The same to the end of the body.
BODY_S = 60.0
#: The longest head: request line and headers.
MOST_HEAD_BYTES = 65_536


def _closing(problem: Problem) -> bytes:
    """A whole answer, after which the connection is closed."""
    body = json.dumps(problem.document()).encode()
    head = (
        f"HTTP/1.1 {problem.status} {problem.document()['title']}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


TOO_LONG = _closing(Problem(431, "too_large", f"the head of a request is at most {MOST_HEAD_BYTES} bytes"))
TOO_SLOW = _closing(Problem(408, "too_slow", f"the body did not come within {BODY_S:g} s"))


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since: float | None = None  # when a request that is not yet whole began; None: there is none
        self._in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", TurnTransport(transport)))
        self._since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(TOO_LONG)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since, self._in_head, self._head_bytes = self.loop.time(), True, 0

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._since = None
        super().on_message_complete()

    def look_over(self, now: float) -> None:
        """Close the connection if its request takes too long to come."""
        if self._since is None or now - self._since < (HEAD_S if self._in_head else BODY_S):
            return
        idle = self.cycle is None or self.cycle.response_complete
        if not self._in_head and not idle and not self.cycle.response_started:
            self.transport.write(TOO_SLOW)
        if idle or not self._in_head:
            self.transport.close()
