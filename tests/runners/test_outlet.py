"""Pieces that come in one turn of the event loop are handed on once, and nothing after the end."""

import asyncio

from lanes.runners.base import Delta
from lanes.runners.outlet import Outlet


async def test_the_pieces_of_a_turn_leave_together_and_in_order() -> None:
    handed: list[tuple[Delta, ...]] = []
    outlet = Outlet(lambda *pieces: handed.append(pieces))
    outlet.put(Delta("a"))
    outlet.put(Delta("b"))
    assert handed == []
    await asyncio.sleep(0)
    outlet.put(Delta("c"))
    await asyncio.sleep(0)
    assert handed == [(Delta("a"), Delta("b")), (Delta("c"),)]


async def test_a_flush_hands_on_what_there_is_and_leaves_nothing_for_later() -> None:
    handed: list[tuple[Delta, ...]] = []
    outlet = Outlet(lambda *pieces: handed.append(pieces))
    outlet.put(Delta("a"))
    outlet.flush()
    await asyncio.sleep(0)
    assert handed == [(Delta("a"),)]
