"""Decompresses answers of providers in small steps. They are not requested, but some providers send them.

A kilobyte can hold a megabyte. So no step makes more than a little of it, others have their turn in between, and the
whole is bounded.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

from lanes.runners.http.failures import AttemptFailed
from lanes_storage.law import AttemptCause

#: The most that one step makes, and the most that one answer may come to, in bytes.
STEP = 262_144
MOST = 67_108_864
#: The encoding of a body that is not packed.
PLAIN = "identity"
#: What zlib reads.
PACKED = frozenset({"gzip", "x-gzip", "deflate"})


def unpacker() -> "zlib._Decompress":
    """Unpacks any of these: they are told from each other by how they begin."""
    return zlib.decompressobj(zlib.MAX_WBITS | 32)


async def unpacked(body: AsyncIterator[bytes], encoding: str) -> AsyncGenerator[bytes, None]:
    """The pieces of a body with that ``content-encoding``. Raises AttemptFailed (garbage)."""
    if encoding not in PACKED:
        raise _garbage(f"it is packed as {encoding[:40]!r}, which was not asked for")
    packed, made = unpacker(), 0
    async for chunk in body:
        while chunk:
            try:
                piece = packed.decompress(chunk, STEP)
            except zlib.error as error:
                raise _garbage(f"it is no {encoding}: {error}") from error
            made += len(piece)
            if made > MOST:
                raise _garbage(f"it unpacks to more than {MOST} bytes")
            yield piece
            chunk = packed.unconsumed_tail
            await asyncio.sleep(0)


def _garbage(why: str) -> AttemptFailed:
    return AttemptFailed(AttemptCause.GARBAGE, f"no valid HTTP: {why}")
