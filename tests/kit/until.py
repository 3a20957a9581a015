"""Waiting on conditions, with a deadline that only a broken program meets."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 120.0


async def until(condition: Callable[[], T], what: str) -> T:
    """The first truthy value of a condition. Fails with what was waited for."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (value := condition()):  # what changes has no event to wait for
                await asyncio.sleep(0.002)
            return value
    except TimeoutError:
        raise AssertionError(f"still waiting for {what} after {PATIENCE_S} s") from None
