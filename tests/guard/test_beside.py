"""OpenClaw 2026.5 with lanes in front of its models and beside it: its requests name no session."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lanes.records import Outcome
from lanes.watch import merging
from tests.guard.conftest import TOKEN, Guard, Guarded
from tests.kit.until import until
from tests.watch.openclaw import OF_5, ReplayOpenClaw, replay
from tests.watch.site import ADDRESS, KEY, WatchSite


class Both(WatchSite):
    """A watched gateway, whose requests pass through lanes."""

    def __init__(self, guarded: Guarded, folder: Path, gateway: ReplayOpenClaw) -> None:
        super().__init__(guarded.desk, folder, gateway)
        self._guarded = guarded

    async def asks(self, key: str = KEY) -> "asyncio.Task[httpx.Response]":
        """The run of a session that hangs at its provider."""
        run = await self.gateway.begin(key)
        await self.lane(f"openclaw:{key}", runs=(run,))
        guarded, before = self._guarded, len(self._guarded.simulator.requests)
        url = f"{guarded.url}/g/openclaw/{TOKEN}/v1/chat/completions"
        body = {"model": "sim-hang", "stream": True, "messages": [{"role": "user", "content": key}]}
        asking = asyncio.create_task(guarded.client.post(url, json=body))
        await until(lambda: len(guarded.simulator.requests) > before, "the provider to be asked")
        return asking

    async def lines(self) -> list[str]:
        """The lanes that a list shows, without the digests of requests."""
        return sorted(lane.key.partition("anonymous:")[0] for lane in await self.lanes())


@pytest.fixture
async def both(guard: Guard, tmp_path: Path) -> AsyncIterator[Both]:
    async with replay(OF_5) as gateway:
        site = Both(await guard(source={"name": "openclaw"}), tmp_path, gateway)
        async with site.watched():
            await site.connected()
            yield site


async def test_F297_the_request_of_the_only_held_session_is_one_line_with_it_and_is_ended_here_first(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = await both.asks()
    assert await both.lines() == ["openclaw:", ADDRESS], "it may be one of another session, which is not seen yet"
    monkeypatch.setattr(merging, "SETTLED_MS", 0)
    assert await both.lines() == [ADDRESS]
    assert await both.desk.lanes_total() == 1
    aborting = asyncio.create_task(both.desk.abort(ADDRESS))
    assert (await asking).status_code == 423
    await both.gateway.end(KEY, "done")
    result = await aborting
    assert (result.key, result.outcome) == (ADDRESS, Outcome.RELEASED)
    assert [(step.step, step.proof) for step in result.steps] == [
        ("end its request here", "its gateway no longer shows this run")
    ]
    assert not both.gateway.asked("sessions.abort")


async def test_F297_of_two_held_sessions_neither_is_taken_for_that_of_a_request(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "SETTLED_MS", 0)
    asking = await both.asks("agent:main:one")
    await both.lane(runs=(await both.gateway.begin(KEY),))
    assert await both.lines() == ["openclaw:", ADDRESS, "openclaw:agent:main:one"]
    result = await both.desk.abort(ADDRESS)
    assert (result.outcome, [step.step for step in result.steps]) == (Outcome.RELEASED, ["abort by run id"])
    assert not asking.done()
    asking.cancel()
