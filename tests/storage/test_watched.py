"""Other programs' gateways: one process watches each, keeps what it sees, and carries out requests to free sessions."""

from collections.abc import Sequence
from typing import Any

import pytest

from lanes.testing import DAY, SECOND
from lanes_storage import doors, reads
from lanes_storage.interface import Transaction
from lanes_storage.law import SourceState, WatchedState
from lanes_storage.records import Freeing, Sighting, SightingRow
from lanes_storage.statements import watched as sightings
from tests.kit.watch import Line, Watch
from tests.kit.world import World

ME, OTHER = 1, 2
HELD, IDLE = WatchedState.RUNNING, WatchedState.IDLE


def watch(world: World, name: str = "one", owner: int = ME, *, gone: bool = False) -> bool:
    def step(tx: Transaction) -> bool:
        return doors.watch(tx, name, "openclaw", f"ws://{name}", owner, world.time(), is_gone=lambda *_: gone)

    return world.step(step)


def keep(world: World, *seen: Sighting, source: str = "one", owner: int = ME, whole: bool = False) -> bool:
    how = {"from_files": False, "whole": whole}
    return world.step(lambda tx: doors.keep_sightings(tx, source, owner, seen, world.time(), **how))


def held(key: str = "a", *runs: str) -> Sighting:
    return Sighting(key, HELD, runs or ("r1",), 1, 1, 0)


def stored(world: World, key: str = "a", source: str = "one") -> SightingRow:
    row = world.store.read(reads.sighting(source, key))
    assert row is not None
    return row


def ask(world: World, key: str = "a", *, source: str = "one", epoch: int | None = None, reset: bool = False) -> object:
    how: dict[str, Any] = {"reset": reset, "actor": "alice", "reason": "stuck"}
    return world.step(lambda tx: doors.ask_to_free(tx, source, key, epoch, world.time(), **how))


def take(world: World, source: str = "one", owner: int = ME) -> list[Freeing]:
    return world.step(lambda tx: doors.take_freeings(tx, source, owner, world.time()))


def end(world: World, number: int) -> bool:
    return world.step(lambda tx: doors.end_freeing(tx, number, "released", [], world.time()))


@pytest.fixture
def watched(world: World) -> World:
    """A source with a session that is held, beside another source with one of the same key."""
    world.owner(pid=4712)
    for source, owner in (("one", ME), ("two", OTHER)):
        assert watch(world, source, owner)
        assert keep(world, held(), source=source, owner=owner)
    world.time.move(SECOND)
    return world


# ----------------------------------------------------------------------------------------------- who watches


def test_one_process_watches_a_source_until_it_is_gone(world: World) -> None:
    world.owner(pid=4712)
    assert watch(world)
    assert watch(world), "it may say so again"
    assert watch(world, "two", OTHER), "another source is another matter"
    assert not watch(world, "one", OTHER)
    assert watch(world, "one", OTHER, gone=True)
    assert not watch(world)
    assert [(row.name, row.owner_id) for row in world.store.read(reads.sources())] == [("one", OTHER), ("two", OTHER)]


def note(world: World, state: SourceState, why: str | None = None, *, owner: int = ME) -> bool:
    return world.step(lambda tx: doors.note_source(tx, "one", owner, state, world.time(), why=why))


def test_the_state_of_a_source_is_noted_and_told_when_it_changes(watched: World) -> None:
    seen = Watch(watched)
    assert note(watched, SourceState.CONNECTED)
    assert seen.changed() == {"sources": 1}
    assert seen.lines() == [Line("source", actor="owner:1")]
    assert seen.detail() == {"source": "one", "state": "connected"}
    seen = Watch(watched)
    assert note(watched, SourceState.CONNECTED)
    assert seen.lines() == []
    assert note(watched, SourceState.HUNG, "no answer")
    assert seen.detail() == {"source": "one", "state": "hung", "why": "no answer"}


def test_nobody_else_notes_or_stores_anything(watched: World) -> None:
    seen = Watch(watched)
    assert not note(watched, SourceState.CONNECTED, owner=OTHER)
    assert not keep(watched, held("b"), owner=OTHER)
    assert not keep(watched, held("b"), source="three")
    assert take(watched, owner=OTHER) == []
    assert seen.nothing()


def test_sources_that_are_configured_no_more_are_forgotten_with_what_was_seen(watched: World) -> None:
    watched.step(lambda tx: doors.forget_sources(tx, ["two", "three"]))
    assert [row.name for row in watched.store.read(reads.sources())] == ["two"]
    assert [row.source.name for row in watched.store.read(reads.sightings())] == ["two"]
    assert [row[0] for row in watched.table("sightings")] == ["two"]


# --------------------------------------------------------------------------------------------- what is seen


def test_the_epoch_of_a_session_changes_with_the_runs_that_hold_it(watched: World) -> None:
    keep(watched, held("a", "elsewhere"), source="two", owner=OTHER)
    epochs = [stored(watched).epoch]
    for sighting in (held(), held("a", "r2"), Sighting("a", IDLE, ("r2",)), held("a", "r2"), held("a", "r2")):
        assert keep(watched, sighting)
        epochs.append(stored(watched).epoch)
    assert epochs == [1, 1, 2, 2, 3, 3]
    assert stored(watched, source="two").epoch == 2


def test_what_has_not_changed_keeps_its_time(watched: World) -> None:
    before = stored(watched).changed_at
    keep(watched, held()._replace(last_sign=7))
    assert (stored(watched).changed_at, stored(watched).seen.last_sign) == (before, 7)
    keep(watched, Sighting("a", IDLE))
    assert stored(watched).changed_at == watched.time().wall


@pytest.mark.parametrize("whole", [True, False])
def test_sessions_that_are_gone_are_deleted_where_all_are_told(watched: World, whole: bool) -> None:
    keep(watched, held("b"), whole=whole)
    kept = [(row.source.name, row.seen.key) for row in watched.store.read(reads.sightings())]
    assert kept == [*([] if whole else [("one", "a")]), ("one", "b"), ("two", "a")]


def test_each_epoch_is_warned_about_once(watched: World) -> None:
    keep(watched, held("b"))

    def warn(source: str, key: str, epoch: int) -> int:
        seen = Watch(watched)
        watched.step(lambda tx: doors.warn_silent(tx, source, key, epoch, watched.time(), {"silent_ms": 7}))
        return len(seen.lines())

    assert [warn("one", "a", epoch) for epoch in (2, 1, 1)] == [0, 1, 0]
    assert [stored(watched, key, source).warned_epoch for source, key in SESSIONS] == [1, None, None]
    keep(watched, held("a", "r2"))
    assert warn("one", "a", 2) == 1


SESSIONS: Sequence[tuple[str, str]] = (("one", "a"), ("one", "b"), ("two", "a"))


# ----------------------------------------------------------------------------------------- requests to free


def test_a_request_is_taken_by_the_process_that_watches_and_ended_once(watched: World) -> None:
    assert ask(watched) == (1, 1)
    assert take(watched, "two", OTHER) == []
    assert stored(watched).freeing
    assert not stored(watched, source="two").freeing
    assert take(watched) == [Freeing(1, "a", 1, False, "alice")]
    assert take(watched) == [], "once"
    seen = Watch(watched)
    assert end(watched, 1)
    assert seen.lines() == [Line("freed", actor="alice")]
    assert seen.detail() == {"key": "one:a", "outcome": "released", "steps": [], "reason": "stuck"}
    seen = Watch(watched)
    assert not end(watched, 1)
    assert seen.nothing()


def test_a_request_whose_process_is_gone_is_taken_by_the_next(watched: World) -> None:
    ask(watched)
    ask(watched, source="two")
    assert len(take(watched)) == 1
    assert watched.step(lambda tx: tx.rows("SELECT taken_by FROM freeings ORDER BY id", {})) == [(ME,), (None,)]
    watch(watched, "one", OTHER, gone=True)
    assert [request.id for request in take(watched, "one", OTHER)] == [1]
    assert end(watched, 1)
    watch(watched, "one", ME, gone=True)
    assert take(watched) == [], "it has ended"


def test_requests_of_several_sessions_are_apart(watched: World) -> None:
    keep(watched, held("b"))
    assert [ask(watched, key) for key in "ab"] == [(1, 1), (2, 1)]
    assert [request.key for request in take(watched)] == ["a", "b"]
    assert end(watched, 2)
    rows = watched.step(lambda tx: tx.rows("SELECT id, taken_by, outcome FROM freeings ORDER BY id", {}))
    assert rows == [(1, ME, None), (2, ME, "released")]


def test_a_request_that_has_ended_is_not_taken_half_way(watched: World) -> None:
    """Its end and its taking are decided in one transaction each; the statement refuses by itself."""
    ask(watched)
    end(watched, 1)
    seen = Watch(watched)
    watched.step(lambda tx: tx.run(sightings.TAKE_FREEING, {"owner": ME, "id": 1}))
    assert seen.nothing()


@pytest.mark.parametrize(
    ("sighting", "epoch", "reset", "asked"),
    [
        (held(), None, False, (1, 1)),
        (held(), 1, False, (1, 1)),
        (held(), 2, False, (None, 1)),
        (Sighting("a", IDLE, ("r1",)), None, True, (None, 1)),
        (Sighting("a", WatchedState.STALE, ("r1",)), None, False, (None, 1)),
        (Sighting("a", WatchedState.STALE, ("r1",)), None, True, (1, 1)),
    ],
)
def test_what_may_be_asked(watched: World, sighting: Sighting, epoch: int | None, reset: bool, asked: object) -> None:
    keep(watched, sighting)
    keep(watched, held("a", "r9"), source="two", owner=OTHER)
    keep(watched, Sighting("b", IDLE), held("c", "r9"))
    assert ask(watched, epoch=epoch, reset=reset) == asked
    assert ask(watched, "nobody") is None


def test_a_session_is_freed_by_itself_once_for_its_runs(watched: World) -> None:
    keep(watched, held("b"))

    def frees(source: str, key: str, epoch: int) -> None:
        how: dict[str, Any] = {"owner": ME, "reason": "silent"}
        watched.step(lambda tx: doors.free_by_itself(tx, source, key, epoch, watched.time(), **how))

    for epoch in (2, 1, 1):
        frees("one", "a", epoch)
    assert [stored(watched, key, source).freed_epoch for source, key in SESSIONS] == [1, None, None]
    assert [(request.id, request.actor) for request in take(watched)] == [(1, "owner:1")]


def test_requests_that_ended_long_ago_are_deleted(watched: World) -> None:
    ask(watched)
    end(watched, 1)
    watched.time.move(DAY)
    take(watched)
    assert len(watched.table("freeings")) == 1
    watched.time.move(1)
    take(watched)
    assert watched.table("freeings") == []
