"""What failed, had no effect and reached nobody is run once more by the gateway itself, as its policy says."""

import asyncio
from pathlib import Path

import pytest

from lanes.base.errors import RunFailed
from lanes.desk import Desk
from lanes.runners.base import RunContext
from lanes.testing import SECOND, Hands
from lanes_storage.law import MessageState
from tests.kit.gateways import REQUEUE, gateway_on
from tests.kit.until import until

RETRY = {"retry": {"attempts": 3, "backoff": "10s", "causes": ["shaky", "stall_timeout"]}}


class Shaky:
    """Fails so many times, perhaps after the first piece of its reply; then it answers."""

    def __init__(self, failures: int, *, says: str = "", taken: asyncio.Event | None = None) -> None:
        self.texts: list[str] = []
        self._left = failures
        self._says = says
        self._taken = taken  # set once somebody has that piece

    async def __call__(self, run: RunContext) -> str:
        self.texts.append(run.text)
        if self._says:
            run.emit(self._says)
        if self._taken is not None:
            await self._taken.wait()
        if run.text == "shaky" and self._left > 0:
            self._left -= 1
            raise RunFailed("shaky", "for now")
        return f"reply to {run.text}"


async def test_F271_it_is_answered_by_a_later_run(tmp_path: Path) -> None:
    time, runner = Hands(), Shaky(2)
    async with gateway_on(tmp_path, runner, time, policy=[{"match": "a*", **RETRY}], queue=REQUEUE) as site:
        first = await site.desk.send("a", "shaky")
        behind = await site.desk.send("a", "behind it")
        await site.by_and_by(lambda: "behind it" in runner.texts, "the run behind it")
        assert (await site.desk.wait(behind.id)).state is MessageState.DONE
        told = await site.desk.message(first.id)
        assert (told.state, told.retries, told.reply) == (MessageState.DONE, 2, "reply to shaky")
    assert runner.texts == ["shaky", "shaky", "shaky", "behind it"], "in order"


async def test_while_it_waits_everybody_is_told_until_when(tmp_path: Path) -> None:
    time, runner = Hands(), Shaky(1)
    async with gateway_on(tmp_path, runner, time, policy=[{"match": "a", **RETRY}], queue=REQUEUE) as site:
        message = await site.desk.send("a", "shaky")
        parked = await site.by_and_by(lambda: runner.texts, "its run", step_ms=1)
        assert parked
        desk = site.desk
        await until(lambda: is_parked(desk, message.id), "the park")
        lane = await site.desk.lane("a")
        assert lane.parked_until == (await site.desk.message(message.id)).parked_until
        assert lane.parked_until is not None
        assert lane.parked_until > time().wall
        why = await site.desk.why("a")
        assert "parked for another" in why
        assert "run once more (retry 1)" in why


async def is_parked(desk: Desk, message: int) -> bool:
    return (await desk.message(message)).parked_until is not None


@pytest.mark.parametrize("heard", [True, False])
async def test_what_reached_somebody_is_not_run_again(tmp_path: Path, heard: bool) -> None:
    taken = asyncio.Event()
    time, runner = Hands(), Shaky(1, says="Well, ", taken=taken if heard else None)
    async with gateway_on(tmp_path, runner, time, policy=[{"match": "a", **RETRY}], queue=REQUEUE) as site:
        await site.desk.pause_all()
        message = await site.desk.send("a", "shaky")
        listener = site.gateway.listen(message.id) if heard else None
        await site.desk.resume_all()
        if listener is not None:
            async for _ in listener:
                taken.set()
            assert taken.is_set()
            await site.passes(20 * SECOND)
        else:
            await site.by_and_by(lambda: len(runner.texts) == 2, "its second run")
        told = await site.desk.wait(message.id)
    assert runner.texts == (["shaky"] if heard else ["shaky", "shaky"])
    assert told.state is (MessageState.FAILED if heard else MessageState.DONE)


async def test_what_may_have_had_an_effect_is_not_run_again(tmp_path: Path) -> None:
    time, runner = Hands(), Shaky(1)
    queue = {"on_interrupt": "fail", **RETRY}
    async with gateway_on(tmp_path, runner, time, queue=queue) as site:
        message = await site.desk.send("a", "shaky")
        assert (await site.desk.wait(message.id)).state is MessageState.FAILED
    assert runner.texts == ["shaky"]


async def test_what_does_not_hold_its_lane_lets_others_pass(tmp_path: Path) -> None:
    time, runner = Hands(), Shaky(1)
    policy = [{"match": "a", **RETRY, "hold_while_retrying": False}]
    async with gateway_on(tmp_path, runner, time, policy=policy, queue=REQUEUE) as site:
        first = await site.desk.send("a", "shaky")
        behind = await site.desk.send("a", "behind it")
        assert (await site.desk.wait(behind.id)).state is MessageState.DONE
        assert (await site.desk.message(first.id)).state is MessageState.QUEUED
        await site.passes(20 * SECOND)
        assert (await site.desk.wait(first.id)).state is MessageState.DONE
    assert runner.texts == ["shaky", "behind it", "shaky"]
