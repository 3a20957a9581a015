"""The response of a provider, independent of the HTTP library, and the names of its errors."""

import contextlib
import os
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence

from lanes.host import descriptors
from lanes.runners.http import failures
from lanes.runners.http.failures import AttemptFailed, ConnectionClosed, NoDescriptor
from lanes.runners.http.unpacking import unpacked
from lanes_storage.law import AttemptCause

#: The headers of a request; a header that is repeated needs the second form.
Headers = Mapping[str, str] | Sequence[tuple[str, str]]
#: The encoding of a body that is not packed.
PLAIN = "identity"
#: Where an answer says when to come again; a LiteLLM proxy passes on what its provider said under another name.
_WHEN = ("retry-after", "llm_provider-retry-after")
#: A kept connection that was closed before a request reached its server breaks within a round trip, in seconds. One
#: that breaks later had taken the request, and the provider may have worked on it.
AT_ONCE_S = 1.0


class ProviderResponse(ABC):
    """A response whose status and headers have arrived."""

    def __init__(self, status: int, headers: Mapping[str, str], raw: Sequence[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.raw_headers = raw
        self._headers = headers
        said = headers.get("content-type", "").encode(errors="replace").decode()
        self.content_type = said.partition(";")[0].strip().lower()
        self.encoding = (self.header("content-encoding") or PLAIN).strip().lower()

    def header(self, name: str) -> str | None:
        """One header, None if it is missing."""
        return self._headers.get(name)

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, as it arrives. Raises AttemptFailed: reset, cut, garbage."""
        # Not decompressed by the library, which decompresses each received chunk completely.
        return self._body() if self.encoding == PLAIN else unpacked(self._body(), self.encoding)

    def packed_chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, unchanged. Raises AttemptFailed: reset, cut, garbage."""
        return self._body()

    async def start_of_body(self, limit: int) -> bytes:
        """The body up to ``limit`` bytes. Raises AttemptFailed."""
        kept = bytearray()
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                kept += chunk
                if len(kept) >= limit:
                    break
        return bytes(kept[:limit])

    def refusal(self, body: bytes) -> AttemptFailed:
        """The failure that its status, another than 200, and its unpacked body stand for."""
        now = time.time_ns() // 1_000_000
        said = next((said for name in _WHEN if (said := self.header(name)) is not None), None)
        return failures.from_response(self.status, body, failures.retry_after_ms(said, now))

    @abstractmethod
    def _body(self) -> AsyncGenerator[bytes, None]: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Release the response. If it was not read to its end, its connection is closed at once."""


def told(
    error: Exception, failure: AttemptFailed, kept_s: float | None, *, connecting: bool
) -> AttemptFailed | NoDescriptor:
    """Our failure for an error of a library; NoDescriptor if this process itself is the cause.

    ``kept_s``: how long the request was out, if it went out on a connection that had served another one and nothing of
    an answer came. The frames of the error are dropped: they hold all that was sent, and some hold the error.
    """
    if descriptors.is_shortage(error) or (connecting and descriptors.none_left()):
        descriptors.note_shortage()
        return NoDescriptor()
    inner: BaseException | None = error
    while inner is not None:
        inner.__traceback__ = None
        inner = inner.__cause__ or inner.__context__
    if kept_s is not None and kept_s <= AT_ONCE_S and failure.cause in (AttemptCause.CUT, AttemptCause.RESET):
        return ConnectionClosed(failure.cause, failure.message)
    return failure


def root(error: BaseException) -> str:
    """The text of the innermost error: the outer errors only say that something failed."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(error.errno)  # asyncio's own words hide it: "Connect call failed"
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words)
