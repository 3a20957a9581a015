"""What a provider answers, whichever way the request took."""

import contextlib
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator

from lanes.runners.failures import AttemptFailed
from lanes_storage.law import AttemptCause

#: What is unpacked in one go: a small packet may hold a large nothing.
MOST_UNPACKED = 1024 * 1024

Body = AsyncGenerator[bytes, None]


class Answer:
    """An answer whose status and headers have come. ``body`` gives what follows, as it arrives."""

    def __init__(self, status: int, header: Callable[[str], str | None], body: Callable[[], Body]) -> None:
        self.status = status
        self.header = header  # one header by its lower-case name; None where it is missing
        self.chunks = body  # raises AttemptFailed: reset, cut, garbage
        self.content_type = (header("content-type") or "").partition(";")[0].strip().lower()

    async def start_of_body(self, limit: int) -> bytes:
        """The body up to ``limit`` bytes. Raises AttemptFailed."""
        kept = bytearray()
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                kept += chunk
                if len(kept) >= limit:
                    break
        return bytes(kept[:limit])


def garbage(why: str) -> AttemptFailed:
    """What came is no answer."""
    return AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: {why}")


class Unpacker:
    """Undoes a content encoding that nobody asked for. Raises AttemptFailed (garbage) for one that is not known."""

    def __init__(self, encoding: str) -> None:
        if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
            raise garbage(f"it is encoded as {encoding[:80]!a}, which nobody asked for")
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # with a header of either kind

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What comes out of these bytes, in pieces of bounded size. Raises AttemptFailed."""
        while packed:
            try:
                unpacked = self._stream.decompress(packed, MOST_UNPACKED)
            except zlib.error as error:
                raise garbage(str(error)) from error
            if unpacked:
                yield unpacked
            packed = self._stream.unconsumed_tail
