"""The invariants find what they name: rows are spoilt by hand, beside every door, and the one that is meant speaks."""

import sqlite3
from pathlib import Path

import pytest

from lanes.testing import DAY, MINUTE, START, Hands, broken
from lanes_storage import doors, open_store, reads
from lanes_storage.law import Prunable
from lanes_storage.reads.invariants import INVARIANTS
from tests.kit.world import World

#: What somebody with a shell would have to do to break each one.
SPOILT = {
    "one-run": """
        DROP INDEX runs_open;
        UPDATE runs SET lane_id = 4, edge = NULL, ended_at = NULL, ended_by = NULL
    """,
    "held-by-its-run": "UPDATE lanes SET epoch = epoch + 1000 WHERE state = 'running'",
    "released-is-free": "UPDATE lanes SET state = 'idle', run_id = NULL WHERE state = 'running'",
    "run-has-its-message": "UPDATE messages SET state = 'queued' WHERE state = 'running'",
    "message-has-its-run": "UPDATE messages SET run_id = run_id + 1000 WHERE state = 'running'",
    "head-is-oldest": "UPDATE lanes SET head_id = NULL",
    "message-has-its-lane": "UPDATE messages SET lane_id = 1000 WHERE state = 'queued'",
    "run-has-its-lane": "UPDATE runs SET lane_id = 1000 WHERE ended_at IS NOT NULL",
    "meant-for-an-open-run": "UPDATE messages SET for_run = 1000 WHERE state = 'queued'",
    "taken-in-the-journal": "UPDATE messages SET run_id = NULL WHERE state = 'done'",
    "ended-in-the-journal": "DELETE FROM events WHERE type = 'ended'",
    "one-notice": "UPDATE events SET message_id = 1 WHERE type = 'notice'",
    "answered-once": "UPDATE runs SET message_id = 1, edge = 'complete', ended_at = 1, ended_by = 'x', abort_at = NULL,"
    " abort_boot = NULL, abort_boot_id = NULL, abort_actor = NULL, abort_cause = NULL",
    "in-order": "UPDATE messages SET started_at = 1 WHERE id = (SELECT max(id) FROM messages WHERE state = 'queued')",
    "epoch-from-the-counter": "UPDATE counters SET value = 0",
    "one-epoch": "UPDATE lanes SET epoch = 1 WHERE state <> 'running'",
    "epoch-rises": "UPDATE lanes SET epoch = 0 WHERE state <> 'running'",
    "reply-of-a-completed-run": "UPDATE runs SET edge = 'reclaim' WHERE edge = 'complete'",
    "refusals-are-counted": "UPDATE runs SET refused_writes = refused_writes + 1",
    "claim-in-the-journal": "DELETE FROM events WHERE type = 'claim' AND id > 5",
    "release-in-the-journal": "UPDATE events SET type = 'fail' WHERE type = 'complete'",
    "abort-in-the-journal": "DELETE FROM events WHERE type = 'abort_requested'",
    "acceptance-in-the-journal": "INSERT INTO events (at, type, message_id) VALUES (1, 'accepted', 1)",
    "found-by-its-lane": "DELETE FROM event_blocks",
    "state-in-the-journal": "UPDATE lanes SET state = 'errored' WHERE state = 'idle'",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a bit of everything in it, and nothing wrong."""
    path = tmp_path / "lanes.db"
    store = open_store(str(path), create=True)
    world = World(store)
    world.complete(world.start("done").ticket)
    late = world.start("failed").ticket
    world.fail(late)
    world.complete(late, "too late")
    world.start("aborted")
    world.request_abort("aborted")
    world.abort(world.lane("aborted").run.ticket)  # type: ignore[union-attr]
    world.send("done", "never runs")
    world.request_abort("done", scope="queue")
    world.start("held")
    for text in ("waits", "waits behind it"):
        world.send("held", text)
    world.time.move(MINUTE)
    assert broken(store) == []
    store.close()
    return path


@pytest.mark.parametrize("name", [invariant.name for invariant in INVARIANTS])
def test_each_invariant_names_what_breaks_it(path: Path, name: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(f"PRAGMA ignore_check_constraints = ON; {SPOILT[name]}")
    connection.commit()
    connection.close()
    store = open_store(str(path))
    try:
        found = broken(store)
    finally:
        store.close()
    assert name in {sentence.split(" ", 1)[0] for sentence in found}, found


def test_what_retention_took_is_not_missed(path: Path) -> None:
    """A dead letter keeps its run and its events, while those of what came after it go, row by row."""
    store = open_store(str(path))
    world = World(store, Hands(START.later(DAY)))
    world.complete(world.start("failed").ticket)
    world.ack("aborted")
    later = world.time.move(DAY).wall
    gone = 0
    for kind in Prunable:
        for row in store.read(reads.old(kind, 0, 1_000)):
            gone += world.step(lambda tx, kind=kind, id_=row.id: doors.prune(tx, kind, [(id_, later)]))  # type: ignore[misc]
            assert broken(store) == [], f"after pruning {kind} {row.id}"
    assert gone > 10
    store.close()


def test_a_lane_whose_acknowledgement_was_pruned_is_as_it_should_be(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "lanes.db"), create=True)
    world = World(store)
    world.fail(world.start("a").ticket)
    world.time.move(MINUTE)
    world.ack("a")
    later, newest = world.time.move(DAY).wall, world.events()[-1].id
    assert world.step(lambda tx: doors.prune(tx, Prunable.EVENTS, [(newest, later)])) == 1
    assert broken(store) == []
    store.close()
