"""Agents that write very much: the event loop, which all runs share, goes on meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lanes.runners.command import transcript
from lanes.runners.command.formats import CLAUDE, format_of
from lanes.runners.command.transcript import EventTranscript
from tests.agents.kit import commanded, program

LINES = 1_000
TINY = b"{}\n" * LINES


async def passes_during(work: Any) -> int:
    """How often the event loop went on while that worked."""
    passes, task = 0, asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0)
        passes += 1
    task.result()
    return passes


async def test_F413_the_event_loop_goes_on_in_the_middle_of_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice is over at once here: then there is a pause behind each line."""
    monkeypatch.setattr(transcript, "SLICE_S", 0)
    signs: list[str] = []
    events = EventTranscript(format_of(CLAUDE), signs.append, signs.append)
    assert await passes_during(events.take(TINY)) >= LINES
    assert signs == ["event"], "once for each part of the output"


async def test_F413_the_event_loop_goes_on_in_the_middle_of_a_flood_of_acp(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("acp")
    from lanes.runners.acp.updates import AgentUpdates
    from lanes.runners.acp.wire import AgentWire

    async def output() -> AsyncIterator[bytes]:
        yield TINY
        yield b'{"method": "session/update", "params": {"update": {}}}\n' * LINES
        yield b'{"id": 1}\n' * LINES

    async def receive() -> None:
        while await wire.receive():
            pass

    monkeypatch.setattr(transcript, "SLICE_S", 0)
    signs: list[str] = []
    updates = AgentUpdates(cast("Any", SimpleNamespace(emit=signs.append, progress=signs.append)), {})
    child = cast("Any", SimpleNamespace(output=output))
    wire = AgentWire(child, cast("Any", None), 1_000_000, updates.handle, updates.signs.report)
    assert await passes_during(receive()) >= 4 * LINES, "each line is read, and each answer given, in a pass"
    assert signs == ["session:loading"]


async def test_F413_what_comes_behind_a_flood_is_read_and_its_conversation_kept(tmp_path: Path) -> None:
    """The agent has ended long before its output is read."""
    argv = program("flood", "25000")
    async with commanded(tmp_path, argv, resume=[*argv, "{session}"], output="claude-json") as site:
        first, second = await site.ask(), await site.ask()
        assert (first.reply, first.error) == ("none", None)
        assert second.reply == "c-1"
