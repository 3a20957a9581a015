"""F128: what a run was given and what it brought is gone with it, without anybody looking for garbage."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.base.errors import RunFailed
from lanes.host.memory import GROWN, Memory
from lanes.runners.base import RunContext
from lanes.testing import Hands
from lanes_storage.law import Cause, MessageState
from tests.kit.gateways import gateway_on
from tests.kit.until import until


@pytest.fixture
def nobody_collects() -> Iterator[None]:
    """Circles stay."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Ways:
    """A runner whose text says how it ends."""

    def __init__(self) -> None:
        self.runs: list[weakref.ref[RunContext]] = []

    async def __call__(self, run: RunContext) -> str:
        self.runs.append(weakref.ref(run))
        if run.text == "fail":
            raise RunFailed(Cause.PROVIDER_FAILED, "as it was told")
        if run.text == "wait":
            patient = asyncio.timeout(3_600)  # it knows the task that waits in it
            async with patient:
                await asyncio.Event().wait()
        return "done"


@pytest.mark.usefixtures("nobody_collects")
@pytest.mark.parametrize(
    ("text", "state"),
    [("reply", MessageState.DONE), ("fail", MessageState.FAILED), ("wait", MessageState.ABORTED)],
)
async def test_F128_a_run_that_is_over_is_gone(tmp_path: Path, time: Hands, text: str, state: MessageState) -> None:
    runner = Ways()
    async with gateway_on(tmp_path, runner, time) as site:
        message = await site.desk.send("a", text)
        if text == "wait":
            await until(lambda: runner.runs, "the run")
            await site.desk.abort("a")
        ended = await site.desk.wait(message.id)
        assert ended.state is state
        await until(lambda: runner.runs[0]() is None, "the run to be forgotten")


def test_F128_what_is_free_is_given_back_when_there_may_be_much() -> None:
    has, given = [GROWN], list[int]()

    def look(grown: int) -> int:
        has[0] = grown
        memory.look()
        return len(given)

    memory = Memory(lambda: has[0], lambda: given.append(has[0]))
    assert look(GROWN) == 0
    assert look(2 * GROWN) == 0
    assert look(2 * GROWN + 1) == 1
    assert look(2 * GROWN + 2) == 1, "it could not give back that much"
    assert look(3 * GROWN + 2) == 2
    assert look(GROWN) == 2
    assert look(2 * GROWN + 1) == 3
