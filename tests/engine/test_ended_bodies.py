"""F107, F114: a reply that has arrived waits for the disk, and no limit takes it away meanwhile.

The file may not grow: small writes, such as the expiry of a run, still find room, and a large reply does not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lanes.engine.reconcile.observer import Observer
from lanes.testing import SECOND, Hands
from lanes_storage import Store, open_store, reads
from tests.kit.commits import long_commit
from tests.kit.disks import may_grow
from tests.kit.gateways import Gates, Site, gateway_on
from tests.kit.until import until

KEY = "agent:main:telegram:42"
CLOCKS: dict[str, Any] = {"run_timeout": "30s", "stall_timeout": "20s", "abort_grace": "2s", "reconcile_interval": "1s"}
#: More than fits into what is free in any page.
LONG = "a long reply. " * 40_000


@asynccontextmanager
async def full(site: Site, runner: Gates) -> AsyncIterator[None]:
    """A run has ended with a long reply, for which there is no room for as long as the block lasts."""
    await may_grow(site.desk.store, False)
    runner.open()
    await until(lambda: not runner.running, "the run's body to end")
    try:
        yield
    finally:
        await may_grow(site.desk.store, True)


async def test_F107_a_reply_for_which_there_is_no_room_outlives_every_limit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time, **CLOCKS) as site:
        message = await site.desk.send(KEY, LONG)
        await site.running(runner, KEY)
        async with full(site, runner):
            await until(lambda: "its end is not stored yet" in caplog.text, "the first refusal")
            await site.passes(60 * SECOND)
            assert site.gateway.held == 1
            assert "its work ended" in (await site.desk.why(KEY)).lower()
        ended = await site.desk.wait(message.id)
        assert (ended.state, ended.reply) == ("done", f"reply to {LONG}")


async def test_F114_no_other_process_takes_a_run_whose_body_has_ended(tmp_path: Path) -> None:
    """The heartbeats, for which there is room, say so to whoever judges by the rows."""
    runner, time = Gates(), Hands()
    async with gateway_on(tmp_path, runner, time, **CLOCKS) as site:
        store = open_store(str(tmp_path / "lanes.db"))
        observer = Observer(store, store.write, time, by="another process", interval_ms=SECOND)
        message = await site.desk.send(KEY, LONG)
        await site.running(runner, KEY)
        async with full(site, runner):
            for _ in range(60):
                await site.passes(SECOND)
                assert observer.run_once() == []
            assert _body_ended(store)
        assert (await site.desk.wait(message.id)).state == "done"
        store.close()


async def test_F107_a_run_that_obeys_while_its_force_waits_for_its_turn_keeps_its_reply(tmp_path: Path) -> None:
    """Its grace is over, and a long commit is before the force; its reply comes in that time."""
    runner, time = Gates(stubborn=True), Hands()
    async with gateway_on(tmp_path, runner, time, **CLOCKS) as site:
        upkeep = site.gateway._engine._upkeep
        assert upkeep is not None
        message = await site.desk.send(KEY, "hello")
        await site.running(runner, KEY)
        run = site.gateway._engine._live.all()[0]
        await site.by_and_by(lambda: run.stop is not None, "the order to stop")
        async with long_commit(site.desk.store):
            time.move(2 * SECOND)
            await until(lambda: upkeep.pulse.waits, "the force to wait for its turn")
            runner.open()
            await until(lambda: run.body_ended_at is not None, "the body to end")
        assert (await site.desk.wait(message.id)).reply == "reply to hello"


def _body_ended(store: Store) -> bool:
    lane = store.read(reads.lane(KEY))
    return lane is not None and lane.run is not None and lane.run.body_ended_at is not None
