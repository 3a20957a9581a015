"""Limits that people ask for, in a whole gateway: waiting, loops, priorities."""

import asyncio
from pathlib import Path

from lanes.desk import Desk
from lanes.runners.base import RunContext
from lanes.testing import MINUTE, SECOND, Hands
from lanes_storage.law import MAX_CHAIN, Cause, MessageState
from tests.kit.gateways import REQUEUE, Gates, gateway_on
from tests.kit.until import until


async def test_F273_two_lanes_that_answer_each_other_are_stopped(tmp_path: Path) -> None:
    desks: list[Desk] = []
    runs: list[str] = []

    async def replies(run: RunContext) -> str:
        runs.append(run.key)
        await desks[0].send("b" if run.key == "a" else "a", "and you?")
        return "fine"

    async with gateway_on(tmp_path, replies, Hands()) as site:
        desks.append(site.desk)
        await site.desk.send("a", "how are you?")
        await until(lambda: is_paused(site.desk), "the pause")
        why = [await site.desk.why(key) for key in "ab"]
        assert any("paused until `lanes resume" in each and "a loop: 21 messages" in each for each in why)
    assert len(runs) == MAX_CHAIN + 1


async def is_paused(desk: Desk) -> bool:
    return any(lane.paused is not None for lane in await desk.lanes())


async def test_F274_a_message_that_waits_too_long_is_told_so(tmp_path: Path) -> None:
    time, gates = Hands(), Gates()
    async with gateway_on(tmp_path, gates, time, queue=REQUEUE, policy=[{"match": "a", "max_wait": "1m"}]) as site:
        await site.desk.send("a", "first")
        await site.running(gates, "a")
        late = await site.desk.send("a", "late")
        assert late.expires_at == time().wall + MINUTE
        await site.passes(MINUTE + SECOND, step_ms=10 * SECOND)
        told = await asyncio.wait_for(site.desk.wait(late.id), 20)
        assert told.state is MessageState.FAILED
        assert told.error is not None
        assert told.error.cause is Cause.EXPIRED


async def test_lanes_of_a_higher_priority_are_run_first(tmp_path: Path) -> None:
    gates, order = Gates(), list[str]()

    async def noted(run: RunContext) -> str:
        order.append(run.key)
        return await gates(run)

    policy = [{"match": "vip:*", "priority": 5}, {"match": "night:*", "priority": -5}]
    async with gateway_on(tmp_path, noted, Hands(), policy=policy, options={"max_runs": 1}) as site:
        await site.desk.send("first", "x")
        await site.running(gates, "first")
        sent = [
            await site.desk.send(key, "x") for key in ("night:1", "plain:1", "plain:2", "vip:1", "night:2", "vip:2")
        ]
        gates.open()
        await asyncio.gather(*(site.desk.wait(message.id) for message in sent))
    assert order == ["first", "vip:1", "vip:2", "plain:1", "plain:2", "night:1", "night:2"]
