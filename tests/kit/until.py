"""Waiting on conditions, with a deadline that only a broken program meets."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
#: How long a condition, or a process, may take on a busy machine before a test gives up. Never a measure of speed.
PATIENCE_S = 300.0


@overload
async def until(condition: Callable[[], Awaitable[T]], what: str) -> T: ...
@overload
async def until(condition: Callable[[], T], what: str) -> T: ...
async def until(condition: Callable[[], Any], what: str) -> Any:
    """The first truthy value of a condition, or of what it lets one await. Fails with what was waited for."""
    pause_s = 0.002  # what takes long is looked at less often: some conditions draw a whole screen
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                seen = condition()
                value = await seen if inspect.isawaitable(seen) else seen
                if value:
                    return value
                await asyncio.sleep(pause_s)  # what changes has no event to wait for
                pause_s = min(1.5 * pause_s, 0.02)
    except TimeoutError:
        raise AssertionError(f"still waiting for {what} after {PATIENCE_S} s") from None
