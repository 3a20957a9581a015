"""Looking again until something is proven."""

import time
from collections.abc import Awaitable, Callable

#: Between two looks for a proof.
LOOK_S = 0.1


def wall() -> int:
    """Wall time in milliseconds."""
    return round(time.time() * 1000)


async def proof_by(
    look: Callable[[], Awaitable[str | None]], seconds: float, pause: Callable[[float], Awaitable[object]]
) -> str | None:
    """What ``look`` finds, at most this long; ``pause`` waits for an event, at most as long as it is told."""
    until = time.monotonic() + seconds
    while (found := await look()) is None and time.monotonic() < until:
        await pause(LOOK_S)
    return found
