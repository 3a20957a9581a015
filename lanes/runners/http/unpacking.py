"""Decompresses answers of providers in small steps. Compression is not requested, but some providers use it.

A kilobyte can hold a megabyte. So each step produces only a part of it, and other tasks have their turn in between.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

from lanes.runners.http.failures import AttemptFailed
from lanes_storage.law import AttemptCause

#: The most that one step produces, in bytes.
STEP = 262_144
#: The encoding of a body that is not packed.
PLAIN = "identity"
#: The encodings that zlib reads.
PACKED = frozenset({"gzip", "x-gzip", "deflate"})


def unpacker() -> "zlib._Decompress":
    """A decompressor for any of these, which it distinguishes by their first bytes."""
    return zlib.decompressobj(zlib.MAX_WBITS | 32)


async def unpacked(body: AsyncIterator[bytes], encoding: str) -> AsyncGenerator[bytes, None]:
    """The pieces of a body with that ``content-encoding``. Raises AttemptFailed (garbage)."""
    if encoding not in PACKED:
        raise _garbage(f"it is compressed as {encoding[:40]!r}, which was not requested")
    packed = unpacker()
    async for chunk in body:
        while chunk:
            try:
                piece = packed.decompress(chunk, STEP)
            except zlib.error as error:
                raise _garbage(f"it is not valid {encoding}: {error}") from error
            yield piece
            chunk = packed.unconsumed_tail
            await asyncio.sleep(0)


def _garbage(detail: str) -> AttemptFailed:
    return AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: {detail}")
