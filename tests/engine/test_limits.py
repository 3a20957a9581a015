"""Limits that people ask for, in a whole gateway: waiting, loops, priorities."""

import asyncio
from pathlib import Path

from lanes.desk import Desk
from lanes.runners.base import Reply, RunContext
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
        told = await site.desk.wait(late.id)
        assert told.state is MessageState.FAILED
        assert told.error is not None
        assert told.error.cause is Cause.EXPIRED


async def spends(run: RunContext) -> Reply:
    return Reply(f"reply to {run.text}", usage={"prompt_tokens": 60, "completion_tokens": 10}, cost_usd=0.02)


async def test_what_lanes_use_is_told_everywhere(tmp_path: Path) -> None:
    async with gateway_on(tmp_path, spends, Hands()) as site:
        message = await site.desk.wait((await site.desk.send("a", "x")).id)
        assert message.cost_usd == 0.02
        lane = await site.desk.lane("a")
        assert lane.used is not None
        assert lane.used.to_json() == {"input_tokens": 60, "output_tokens": 10, "cost_usd": 0.02}
        assert "Its runs have used 70 tokens and cost $0.0200." in await site.desk.why("a")
        assert site.gateway.used == {("python", "input"): 60, ("python", "output"): 10, ("python", "cost"): 20_000}


async def test_F275_a_lane_that_has_used_its_budget_waits_for_the_next_hour(tmp_path: Path) -> None:
    time, policy = Hands(), [{"match": "a", "lane_budget": {"tokens": 100, "per": "1h"}}]
    async with gateway_on(tmp_path, spends, time, policy=policy) as site:
        for _ in range(2):
            assert (await site.desk.wait((await site.desk.send("a", "x")).id)).state is MessageState.DONE
        third = await site.desk.send("a", "x")
        await until(lambda: is_paused(site.desk), "the pause")
        why = await site.desk.why("a")
        assert "the budget is used up: 140 of 100 tokens in 3600 s" in why
        assert ", or until its budget is raised and `lanes resume " in why
        assert "Its budget for 1h 0m: 140/100 tokens." in why
        time.move(62 * MINUTE)
        assert (await site.desk.wait(third.id)).state is MessageState.DONE


async def test_F275_a_budget_of_runs_is_exact_however_many_lanes_share_it(tmp_path: Path) -> None:
    policy = [{"match": "a*", "budget": {"runs": 5, "action": "reject"}}]
    async with gateway_on(tmp_path, spends, Hands(), policy=policy) as site:
        sent = [await site.desk.send(f"a{number}", "x") for number in range(12)]
        told = [await site.desk.wait(message.id) for message in sent]
    assert sum(message.state is MessageState.DONE for message in told) == 5
    assert {message.error.cause for message in told if message.error is not None} == {Cause.OVER_BUDGET}


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
