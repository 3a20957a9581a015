"""The judges see what they are there to see: histories that are wrong, told by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lanes.testing import History, read_history, read_provider
from lanes_storage import Store, doors
from lanes_storage.law import EventType
from tests.kit.databases import new_store
from tests.kit.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = new_store(tmp_path / "lanes.db")
    yield World(store)
    store.close()


def tell(world: World, kind: EventType, **event: Any) -> None:
    """Write into the journal what never happened."""
    world.step(lambda tx: doors.record(tx, kind, world.time(), **event))


def judged(store: Store, acknowledged: tuple[int, ...] = (), *, settled: bool = False) -> dict[str, int]:
    """How many problems there are of each kind."""
    history = read_history(store, acknowledged, settled=settled)
    return counts(history)


def counts(history: History) -> dict[str, int]:
    names = ("lost", "duplicated", "overlaps", "out_of_order", "contradictions")
    return {name: len(getattr(history, name)) for name in names if getattr(history, name)}


def test_a_true_history_is_clean(world: World) -> None:
    for _ in range(2):
        world.complete(world.start("a").ticket)
    cut = world.start("a").ticket
    world.reclaim(cut)
    world.send("a")
    world.resume("a") if world.lane("a").pause else None
    world.fail(world.claim("a").ticket)
    world.request_abort("a", scope="queue")
    history = read_history(world.store, [1, 2, 3, 4], settled=True)
    assert history.problems == []
    assert (history.messages, history.unfinished, history.interruptions) == (4, 0, 1)
    assert history.cut_runs == {cut.run_id}
    assert str(history) == "messages 4, 0 lost, 0 duplicated, 0 overlaps, 0 out of order"


def test_a_message_that_is_missing_is_lost(world: World) -> None:
    world.send("a")
    assert judged(world.store, (1,)) == {}
    assert judged(world.store, (1, 2)) == {"lost": 1}
    assert judged(world.store, (1,), settled=True) == {"lost": 1}


def test_two_runs_at_a_time_overlap(world: World) -> None:
    claimed = world.start("a")
    tell(world, EventType.CLAIM, lane=claimed.message.lane_id, run=99, message=claimed.message.id)
    assert judged(world.store) == {"overlaps": 1, "contradictions": 1}


def test_a_second_answer_is_a_duplicate(world: World) -> None:
    claimed = world.start("a")
    world.complete(claimed.ticket)
    for kind in (EventType.CLAIM, EventType.COMPLETE):
        tell(world, kind, lane=claimed.message.lane_id, run=99, message=claimed.message.id)
    assert judged(world.store) == {"duplicated": 2}, "it ran again after its end, and was answered again"


def test_an_older_message_after_a_newer_one_is_out_of_order(world: World) -> None:
    lane = world.lane("a").id if world.send("a") and world.send("a") else 0
    for run, message in ((98, 2), (99, 1)):
        tell(world, EventType.CLAIM, lane=lane, run=run, message=message)
        tell(world, EventType.FAIL, lane=lane, run=run, message=message)
    assert judged(world.store) == {"out_of_order": 1}


def test_rows_that_say_something_else_contradict(world: World) -> None:
    claimed = world.start("a")
    tell(world, EventType.COMPLETE, lane=claimed.message.lane_id, run=claimed.ticket.run_id, message=1,
         detail={"message_state": "done"})  # fmt: skip
    assert judged(world.store) == {"contradictions": 2}


def log(path: Path, *requests: tuple[int, str, int, int | None]) -> Path:
    """A provider's log: run, text, beginning and end in nanoseconds. Without an end the client left or was cut."""
    lines = []
    for sequence, (run, text, start, end) in enumerate(requests, 1):
        seen = {"server": "s", "sequence": sequence, "key": "a", "run": str(run), "text": text, "started_ns": start}
        lines.append(seen | {"ended_ns": None, "outcome": "open"})
        if end is not None:
            lines.append(seen | {"ended_ns": end, "outcome": "finished"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"half')
    return path


@pytest.mark.parametrize(
    ("requests", "cut", "found"),
    [
        ([(1, "message 1", 0, 5), (2, "message 2", 6, 9)], (), {}),
        ([(1, "message 1", 0, 5), (1, "message 1", 3, 9)], (), {}),  # a second provider of the same run
        ([(1, "message 1", 0, 5), (2, "message 2", 4, 9)], (), {"overlaps": 1}),
        ([(1, "message 1", 0, 5), (2, "message 1", 4, 9)], (1,), {}),
        ([(1, "message 1", 0, None), (2, "message 1", 4, 9)], (), {}),
        ([(1, "message 1", 0, 5), (2, "message 1", 6, 9)], (), {"duplicated": 1}),
        ([(1, "message 2", 0, 5), (2, "message 1", 6, 9)], (), {"out_of_order": 1}),
    ],
)
def test_the_log_of_the_provider_is_judged(
    tmp_path: Path, requests: list[tuple[int, str, int, int | None]], cut: tuple[int, ...], found: dict[str, int]
) -> None:
    assert counts(read_provider(log(tmp_path / "provider.jsonl", *requests), cut)) == found
