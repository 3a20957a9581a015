"""The HTTP/1.1 protocol of uvicorn, with limits on the size of a head and on the time in which a request must arrive.

Without them, a slow client could hold a connection forever. There is no timer for each request: the server checks all
connections periodically.
"""

import asyncio
import json
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lanes.dialects.chat.writer import envelope
from lanes.records.problems import Problem
from lanes.server.asgi.writes import TurnTransport

#: The longest time from connecting, or from the first byte, to the end of the head.
HEAD_S = 10.0
#: The longest time from the same start to the end of the body.
BODY_S = 60.0
#: A client that reads nothing for this long, while there is something to read, is disconnected.
READ_S = 300.0
#: The longest head: request line and headers.
MOST_HEAD_BYTES = 65_536


def _closing(problem: Problem, openai: bool) -> bytes:
    """A complete response, after which the connection is closed."""
    body = json.dumps(envelope(problem) if openai else problem.document()).encode()
    head = (
        f"HTTP/1.1 {problem.status} {problem.document()['title']}\r\n"
        f"content-type: application/{'json' if openai else 'problem+json'}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


NO_HTTP = Problem(400, "bad_http", "the request is not valid HTTP/1.1")
NO_TUNNEL = Problem(405, "method", "this is not a proxy")
TOO_LONG = Problem(431, "too_large", f"the request head may have at most {MOST_HEAD_BYTES} bytes")


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since: float | None = None  # the start of an incomplete request; None: there is none
        self._in_head = True
        self._begun = False  # a request has arrived in part
        self._heads = 0  # the heads that began in this piece of data
        self._head_bytes = 0  # the bytes of the current head, as far as they can be counted
        self._piece_bytes = 0  # the bytes of this piece of data
        self._refused = False  # further data is ignored
        self._sent: int | None = None  # the bytes that the client had taken at the last change, and its time
        self._sent_at = 0.0
        self.url, self.headers = b"", []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", TurnTransport(transport)))
        self._since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        goes_on, self._heads, self._piece_bytes = self._begun, 0, len(data)
        self._unset_keepalive_if_required()
        self._parse(data)
        if self._begun and self._in_head:
            # A head that began after another request within this piece is smaller than the piece, by an unknown amount.
            self._head_bytes += len(data) if self._heads + goes_on == 1 else 0
            if self._is_too_long:
                self._refuse(TOO_LONG)

    def _parse(self, data: bytes) -> None:
        left: bytes | None = data
        while left is not None:  # a client may send any number of requests in one piece
            left = self._parse_until_upgrade(left)

    def _parse_until_upgrade(self, data: bytes) -> bytes | None:
        """Parse; returns the rewritten request, to be parsed next, if the client asked for an upgrade, else None."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if self.parser.get_method() != b"CONNECT":
                return self._without_upgrade(data[upgrade.args[0] :])
            self._refuse(NO_TUNNEL)
        except HttpParserError:
            self._refuse(TOO_LONG if self._in_head and self._is_too_long else NO_HTTP)
        return None

    @property
    def _is_too_long(self) -> bool:
        parsed_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return max(self._head_bytes, parsed_bytes) > MOST_HEAD_BYTES

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The same request without its ``Upgrade`` header, which every server may ignore, for a new parser: the former
        one takes the body behind such a head for the other protocol."""
        lines = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = HttpRequestParser(self)
        return b"\r\n".join((*lines, b"", rest))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._since, self._in_head, self._begun = self.loop.time(), True, True
        self._heads += 1
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        if self._head_bytes + self._piece_bytes > MOST_HEAD_BYTES and self._is_too_long:
            raise ValueError  # the limit holds for a head that came in one piece, too
        if not self.parser.should_upgrade():
            super().on_headers_complete()  # raises if the path is invalid
            self._in_head = False

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._since, self._begun = None, False
            super().on_message_complete()

    def check_time(self, now: float) -> None:
        """Close the connection if its request takes too long to arrive, or its client to read the answer."""
        self._check_reader(now)
        limit = HEAD_S if self._in_head else BODY_S
        if self._since is None or now - self._since < limit:
            return
        if self._begun:
            part = "head" if self._in_head else "body"
            self._refuse(Problem(408, "too_slow", f"the {part} did not arrive within {limit:g} s"))
        elif self._idle:
            self.transport.close()

    def _check_reader(self, now: float) -> None:
        sent = cast("TurnTransport", self.transport).sent
        if sent is None or sent != self._sent:
            self._sent, self._sent_at = sent, now
        elif now - self._sent_at >= READ_S:
            self.transport.abort()  # a close would wait for the client to read

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, problem: Problem) -> None:
        """Answer the incomplete request, and close. If a response is still due, to the request before it, or has begun,
        that one is sent instead."""
        self._refused = True
        if not self._idle and (self._in_head or self.cycle.response_started):
            self.cycle.keep_alive = False
        elif not self._in_head and self.cycle.response_complete:  # the rest of a body that was refused
            self.transport.close()
        elif not self.transport.is_closing():
            openai = not self._in_head and self.scope["path"].startswith("/v1/")
            self.transport.write(_closing(problem, openai))
            self.transport.close()
