"""Polling until something is proven."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from lanes_storage.threads import set_within

#: How long each wait for an event lasts at most, between two looks for a proof (s).
LOOK_S = 0.1


def wall() -> int:
    """Wall time in milliseconds."""
    return round(time.time() * 1000)


async def proof_by(
    look: Callable[[], Awaitable[str | None]], seconds: float, pause: Callable[[float], Awaitable[object]]
) -> str | None:
    """The proof that ``look`` finds within ``seconds``, else None. ``pause`` waits for an event, at most for its
    argument in seconds."""
    until = time.monotonic() + seconds
    while (found := await look()) is None and time.monotonic() < until:
        await pause(LOOK_S)
    return found


async def event_within(event: asyncio.Event, seconds: float, check: Callable[[], object]) -> None:
    """Wait for an event of the gateway, at most this long, and clear it. ``check`` raises SourceDown if the event was
    the end of the connection."""
    if await set_within(event, seconds):
        event.clear()
        check()
