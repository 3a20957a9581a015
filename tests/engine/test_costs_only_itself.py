"""One head, run, hook or listener that raises costs only itself."""

import asyncio
import logging

import pytest

from lanes.engine.aside import ASIDE_FIRST_MS
from lanes.engine.dispatcher import Dispatcher
from lanes.engine.live import ActiveRun, LiveSet
from lanes.runners.base import RunnerSpec
from lanes_storage import AsyncStore
from lanes_storage.law import LaneState
from lanes_storage.records import Head, Terms
from tests.kit.engine import FixedPolicies, spec
from tests.kit.world import TERMS, World


class Choosy(FixedPolicies):
    """Policies that raise, or give what no row takes, for one lane."""

    bad: object = None

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        if head.key != "bad" or self.bad is None:
            return TERMS
        if isinstance(self.bad, Exception):
            raise self.bad
        return TERMS._replace(run_timeout_ms=self.bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [ValueError("a policy"), 2**70, object(), 1], ids=["raises", "size", "type", "check"])
async def test_F96_a_head_whose_claim_raises_is_left_alone_and_the_others_are_claimed(
    world: World, astore: AsyncStore, caplog: pytest.LogCaptureFixture, bad: object
) -> None:
    started: list[ActiveRun] = []
    policies, live = Choosy(), LiveSet()
    policies.bad = bad
    dispatcher = Dispatcher(
        astore, world.time, lambda: world.me, {"chat": spec(max_runs=100)}, policies, live, started.append
    )
    world.send("good")
    world.send("bad")
    for number in range(70):  # more than a page
        world.send(f"lane {number}")
    with caplog.at_level(logging.ERROR, "lanes.dispatcher"):
        assert await dispatcher.run_once() == 71
        assert await dispatcher.run_once() == 0, "it is not tried again at once"
    assert sum("can not be claimed" in said for said in caplog.messages) == 1
    assert world.state("bad") is LaneState.IDLE
    assert len(live) == 71
    policies.bad = None
    world.time.move(ASIDE_FIRST_MS)
    assert await dispatcher.run_once() == 1, "and it is claimed once that is mended"
    assert started[-1].key == "bad"
    await asyncio.sleep(0)
