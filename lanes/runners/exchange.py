"""One HTTP/1.1 connection to a provider, and the exchange that goes on over it.

The bytes are read by httptools, the parser that serves the other side as well. Everything that can go wrong on the
way becomes an ``AttemptFailed``, told to whoever reads next.
"""

import asyncio
import os
import re
import select
import socket
import ssl
from typing import cast

import httptools

from lanes.runners.answer import garbage
from lanes.runners.failures import AttemptFailed
from lanes_storage.law import AttemptCause

#: The longest head of an answer, in bytes.
MOST_HEAD_BYTES = 262_144
#: With so much of a body unread, nothing more is taken from the socket.
MOST_UNREAD_BYTES = 262_144
_ERRNO = re.compile(r"\[Errno (\d+)\]")


class Connection(asyncio.Protocol):
    """Sends a request and gives the answer, one exchange after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._lost = False
        self._news: asyncio.Future[None] | None = None  # what its user waits for
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)  # some small servers send LF alone
        self._headed = False
        self._whole = False
        self._keeps = False
        self._head_bytes = 0
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._paused = False
        self._failure: AttemptFailed | None = None

    # ------------------------------------------------------------------------------ for its user

    def send(self, request: bytes) -> None:
        """Begin an exchange."""
        if self._whole:  # another one before
            self._begin()
        self._transport.write(request)

    async def head(self) -> None:
        """Return once ``status`` and ``headers`` have come. Raises AttemptFailed: reset, cut, garbage."""
        while not self._headed:
            await self._wait()

    async def read(self) -> bytes:
        """What has come of the body since; empty at its end. Raises AttemptFailed: reset, cut, garbage."""
        while not self._unread:
            if self._whole:
                return b""
            await self._wait()
        unread, self._unread, self._unread_bytes = self._unread, [], 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return unread[0] if len(unread) == 1 else b"".join(unread)

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow: this one has been read to its end, and nothing speaks against it."""
        return self._whole and self._keeps and not self._unread and not self._lost

    def quiet(self) -> bool:
        """Whether nothing has come on an idle connection, not even its end, also what the loop has not seen yet."""
        if self._lost or self._transport.is_closing():
            return False
        looked = select.poll()
        looked.register(cast("socket.socket", self._transport.get_extra_info("socket")).fileno(), select.POLLIN)
        return not looked.poll(0)

    def abort(self) -> None:
        """Close at once, whatever was not sent yet. Harmless twice."""
        self._transport.abort()

    async def _wait(self) -> None:
        """Wait for whatever comes next. Raises AttemptFailed."""
        if self._failure is not None:
            raise self._failure
        self._news = self._loop.create_future()
        await self._news

    # ------------------------------------------------------------------------- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._whole or self._failure is not None:
            self._keeps = False  # nobody asked for that
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keeps = False
            if not self._whole:
                self._fail(garbage(str(error)))
        if not self._headed:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._fail(garbage(f"a head of more than {MOST_HEAD_BYTES} bytes"))
        elif self._unread_bytes > MOST_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if not self._whole and self._failure is None:
            if exc is not None:
                self._fail(AttemptFailed(AttemptCause.RESET, f"the connection broke: {words_of(exc)}"))
            elif self._headed and not self._bounded():
                self._whole = True  # an answer that says nothing of its length ends with the connection
            else:
                self._fail(AttemptFailed(AttemptCause.CUT, "the connection was closed in the middle"))
        self._tell()

    def _bounded(self) -> bool:
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    def _fail(self, failure: AttemptFailed) -> None:
        self._failure = self._failure or failure
        self._transport.abort()

    def _tell(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    # ----------------------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        if self._whole:  # a second answer, to nothing: it ends the reading, and the connection behind the first one
            raise ValueError("nobody asked for that")

    def on_header(self, name: bytes, value: bytes) -> None:
        known, said = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[known] = f"{self.headers[known]}, {said}" if known in self.headers else said

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headed = self.status >= 200
        self._keeps = self._parser.should_keep_alive()
        if not self._headed:  # "go on", "early hints": the answer is still to come
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        self._unread.append(body)
        self._unread_bytes += len(body)

    def on_message_complete(self) -> None:
        self._whole = self._headed


def words_of(error: BaseException) -> str:
    """What went wrong, in the words of the system where it has some: asyncio's own hide it ("Connect call failed")."""
    if isinstance(error, socket.gaierror | ssl.SSLError):
        return str(error.strerror or error)
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _ERRNO.search(str(error))):  # several addresses were tried
        number = int(found[1])
    return os.strerror(number) if number else str(error) or type(error).__name__
