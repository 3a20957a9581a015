"""A database and a gateway before it tell the dashboard the same, and obey it in the same way."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lanes import filters
from lanes.base.errors import Changed, LanesError, NotAllowed, NotFound
from lanes.drivers.client import GatewayClient
from lanes.records import Outcome
from lanes.testing import Hands
from lanes.verbs import control, messages
from lanes_storage.law import LaneState, MessageState
from lanes_storage.records import LaneFilter, LaneOrder, LaneSort, Subject
from lanes_tui.sources.file import FileSource
from lanes_tui.sources.remote import RemoteSource
from lanes_tui.sources.source import Lost, Source
from tests.kit.counter import counter
from tests.kit.ports import kept_port
from tests.kit.stage import Stage
from tests.kit.until import until
from tests.pictures.scene import FEISHU, NIGHT, stage

FILTERS = (
    "",
    "feishu",
    "state:errored,running -cron",
    "held:>1m",
    "held:<2m wait:>10s",
    "beat:>30s",
    "queue:>=1 error:failed",
    "owner:gw-1",
    "paused:yes",
    '"agent:main" key:agent:*:微信:*',
    "nothing-fits-this",
)


@asynccontextmanager
async def both(path: Path, clock: Hands, *, read_only: bool = False) -> AsyncIterator[tuple[FileSource, RemoteSource]]:
    """The file itself, and a gateway before it."""
    async with counter(path, clock) as url:
        file = FileSource(str(path), actor="alice@here", read_only=read_only, clock=clock)
        remote = RemoteSource(GatewayClient(url, None), read_only=read_only, clock=clock, wait_s=0.05)
        try:
            yield file, remote
        finally:
            await file.close()
            await remote.close()


@pytest.fixture
def night(tmp_path: Path) -> tuple[Path, Hands]:
    path = tmp_path / "lanes.db"
    return path, stage(path)


LETTERS = LaneFilter(of=Subject.MESSAGE)


async def test_both_tell_the_same(night: tuple[Path, Hands]) -> None:
    async with both(*night) as (file, remote):
        assert await remote.status() == await file.status()
        assert await remote.detail(FEISHU) == await file.detail(FEISHU)
        assert await remote.events(limit=100) == await file.events(limit=100)
        assert await remote.events(key=FEISHU, limit=3) == await file.events(key=FEISHU, limit=3)
        letters = await file.letters(LETTERS, 0, 50)
        assert await remote.letters(LETTERS, 0, 50) == letters
        assert (len(letters.messages), letters.total) == (3, 3)
        assert await remote.letters(LETTERS, 1, 1, letters.messages[2].id) == letters.replace(
            messages=letters.messages[1:2], place=2
        )
        assert await remote.letter_tally(LETTERS, 1, file.now().wall) == await file.letter_tally(
            LETTERS, 1, file.now().wall
        )
        assert await remote.tally(LaneFilter()) == await file.tally(LaneFilter())
        assert (await remote.owner_health()).keys() == (await file.owner_health()).keys()


@pytest.mark.parametrize("typed", FILTERS)
async def test_both_choose_the_same(night: tuple[Path, Hands], typed: str) -> None:
    chosen = filters.parse(typed, NIGHT.wall).chosen
    async with both(*night) as (file, remote):
        for order in (LaneOrder(), LaneOrder(LaneSort.HELD), LaneOrder(LaneSort.LANE, reverse=True)):
            window = await file.window(chosen, 2, 5, order=order)
            assert await remote.window(chosen, 2, 5, order=order) == window
            assert await remote.place(chosen, FEISHU, order=order) == await file.place(chosen, FEISHU, order=order)
            assert await remote.export(chosen, order, 20) == await file.export(chosen, order, 20)
        assert await remote.total(chosen) == await file.total(chosen)
        assert set(await remote.marks(chosen, 100)) == set(await file.marks(chosen, 100))


async def test_both_go_from_hit_to_hit(night: tuple[Path, Hands]) -> None:
    async with both(*night) as (file, remote):
        for key, step in ((None, 0), (FEISHU, 1), (FEISHU, -1), ("agent:main:web:7", 1)):
            found = await file.find(LaneFilter(), "feishu", key, step=step)
            assert found is not None
            assert await remote.find(LaneFilter(), "feishu", key, step=step) == found
        assert await remote.find(LaneFilter(), "no such part", None) is None


async def test_only_the_chosen_keys_are_counted(night: tuple[Path, Hands]) -> None:
    keys = (FEISHU, "agent:main:web:7")
    async with both(*night) as (file, remote):
        for chosen in (LaneFilter(keys=keys), filters.parse("state:errored", NIGHT.wall).chosen.only(keys)):
            assert await remote.total(chosen) == await file.total(chosen)
        assert await remote.total(LaneFilter(keys=keys)) == 2


Deed = Callable[[Source, Stage], Awaitable[Any]]


async def _abort(source: Source, stage: Stage) -> Any:
    return (await source.call(control.abort, key="held:1", epoch=1)).outcome


async def _force(source: Source, stage: Stage) -> Any:
    return (await source.call(control.abort, key="alive:1", epoch=2, force=True)).outcome


async def _late(source: Source, stage: Stage) -> Any:
    return (await source.call(control.abort, key="held:1", epoch=7)).outcome


async def _pause(source: Source, stage: Stage) -> Any:
    paused = await source.call(control.pause, key="held:1", epoch=1, reason="to look")
    resumed = await source.call(control.resume, key="held:1", epoch=1)
    again = await source.call(control.resume, key="held:1", epoch=1)
    assert paused.lane.paused is not None
    return paused.lane.paused.reason, resumed.lane.paused, paused.done, resumed.done, again.done


async def _send(source: Source, stage: Stage) -> Any:
    sent = await source.send("new:1", "hello\nthere")
    dropped = await source.call(messages.drop, id=sent.id)
    return sent.state, sent.text, dropped.state


async def _retry(source: Source, stage: Stage) -> Any:
    again = await source.call(messages.retry_last, key="failed:1", epoch=3)
    return again.state, again.retry_of


async def _retry_message(source: Source, stage: Stage) -> Any:
    (letter,) = (await source.letters(LETTERS, 0, 10)).messages
    again = await source.call(messages.retry, id=letter.id)
    return again.text, (await source.letters(LETTERS, 0, 10)).total


async def _ack(source: Source, stage: Stage) -> Any:
    return (await source.call(control.ack, key="failed:1", epoch=3)).lane.state


async def _drain(source: Source, stage: Stage) -> Any:
    drain = await source.drain(2)
    (gateway,) = [gateway for gateway in (await source.status()).record.gateways if gateway.id == 2]
    return gateway.draining == drain, drain.until is not None


DEEDS: tuple[tuple[Deed, Any], ...] = (
    (_abort, Outcome.REPAIRED),
    (_force, Outcome.FORCED),
    (_late, Outcome.CHANGED),
    (_pause, ("to look", None, True, True, False)),
    (_send, (MessageState.QUEUED, "hello\nthere", MessageState.DROPPED)),
    (_retry, (MessageState.QUEUED, 4)),
    (_retry_message, ("the one that runs", 0)),
    (_ack, LaneState.IDLE),
    (_drain, (True, True)),
)


def furnish(path: Path) -> Stage:
    made = Stage(path)
    made.hold("held:1", made.dead_owner(), "waiting")
    made.hold("alive:1", made.owner())
    made.fail(made.hold("failed:1", 2))
    return made


@pytest.mark.parametrize("elsewhere", [False, True], ids=["file", "gateway"])
@pytest.mark.parametrize(("deed", "outcome"), DEEDS, ids=[deed.__name__ for deed, _ in DEEDS])
async def test_both_obey_in_the_same_way(tmp_path: Path, deed: Deed, outcome: Any, elsewhere: bool) -> None:
    made = furnish(tmp_path / "lanes.db")
    async with counter(made.path) as url:
        source: Source = FileSource(str(made.path), actor="alice")
        if elsewhere:
            await source.close()
            source = RemoteSource(GatewayClient(url, None), wait_s=0.05)
        assert await deed(source, made) == outcome
        await source.close()
    made.close()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["file", "gateway"])
async def test_a_read_only_source_acts_on_nothing(tmp_path: Path, elsewhere: bool) -> None:
    made = furnish(tmp_path / "lanes.db")
    before = made.store.version()
    async with counter(made.path) as url:
        client = GatewayClient(url, None)
        source: Source = (
            RemoteSource(client, read_only=True) if elsewhere else FileSource(str(made.path), actor="a", read_only=True)
        )
        for deed, _ in DEEDS:
            if deed is not _retry_message:
                with pytest.raises(NotAllowed):
                    await deed(source, made)
        await source.close()
    assert made.store.version() == before
    made.close()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["file", "gateway"])
async def test_both_raise_the_same(tmp_path: Path, elsewhere: bool) -> None:
    made = furnish(tmp_path / "lanes.db")
    async with counter(made.path) as url:
        source: Source = (
            RemoteSource(GatewayClient(url, None)) if elsewhere else FileSource(str(made.path), actor="alice")
        )
        wrong: tuple[tuple[Awaitable[Any], type[LanesError]], ...] = (
            (source.detail("no:such"), NotFound),
            (source.call(control.pause, key="no:such", epoch=1), NotFound),
            (source.call(control.pause, key="held:1", epoch=7), Changed),
            (source.call(messages.retry_last, key="failed:1", epoch=7), Changed),
            (source.call(messages.drop, id=999), NotFound),
            (source.call(messages.drop, id=1), NotAllowed),
            (source.drain(999), NotFound),
        )
        for call, error in wrong:
            with pytest.raises(error):
                await call
        await source.close()
    made.close()


async def test_a_gateway_that_is_away_is_lost_and_found_again(tmp_path: Path) -> None:
    made = furnish(tmp_path / "lanes.db")
    with kept_port() as port:
        async with counter(made.path, port=port) as url:
            source = RemoteSource(GatewayClient(url, None))
            assert (await source.window(LaneFilter(), 0, 10)).total == 3
        with pytest.raises(Lost, match="can be reached"):
            await source.window(LaneFilter(), 0, 10)
        async with counter(made.path, port=port):
            assert (await source.window(LaneFilter(), 0, 10)).total == 3
    await source.close()
    made.close()


async def test_a_source_that_was_closed_opens_nothing_any_more(night: tuple[Path, Hands]) -> None:
    """A look that is still on its way when the dashboard is left would keep its process from ending."""
    before = set(threading.enumerate())
    path, clock = night
    source = FileSource(str(path), actor="alice@here", clock=clock)
    await source.detail(FEISHU)
    on_its_way = asyncio.create_task(source.detail(FEISHU))
    await source.close()
    for look in (on_its_way, source.detail(FEISHU), source.version()):
        with contextlib.suppress(Lost):
            await look
    with pytest.raises(Lost):
        await source.status()
    await until(lambda: set(threading.enumerate()) - before <= pool(), "the threads of the source to end")


async def test_an_opening_that_is_cut_short_leaves_no_thread(night: tuple[Path, Hands]) -> None:
    before = set(threading.enumerate())
    path, clock = night
    for turns in range(40):
        source = FileSource(str(path), actor="alice@here", clock=clock)
        look = asyncio.create_task(source.version())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
        await source.close()
    await until(lambda: set(threading.enumerate()) - before <= pool(), "the threads of the source to end")


def pool() -> set[threading.Thread]:
    """The threads in which the event loop, or lanes on it, runs what blocks: they are of no source."""
    return {thread for thread in threading.enumerate() if thread.name.startswith(("asyncio_", "lanes_"))}
