"""Readers take every row that any version could have written, and what no row takes is the caller's error."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lanes_storage import AsyncStore, Store, errors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, Edge, LaneState, MessageState, is_cause
from lanes_storage.records import How, LaneFilter, ProviderAttempt, RunFailure
from tests.kit.world import World


def test_F95_a_word_that_this_program_does_not_know_is_kept_as_it_is() -> None:
    known, unknown = Cause.read("run_timeout"), Cause.read("tool_missing")
    assert known is Cause.RUN_TIMEOUT
    assert (unknown, str(unknown), f"{unknown}", unknown.value) == ("tool_missing",) * 4
    assert unknown == Cause.read("tool_missing")
    assert unknown not in set(Cause)
    assert {unknown: 1}["tool_missing"] == 1  # type: ignore[index]
    with pytest.raises(ValueError, match="tool_missing"):
        Cause("tool_missing")  # what comes in is still checked


@pytest.mark.parametrize("word", ["tool_missing", "run_timeout", "x", "a" * 64, "a1_"])
def test_F90_what_names_a_cause(word: str) -> None:
    assert is_cause(word)


@pytest.mark.parametrize(
    "word", ["", "Tool", "tool-missing", "1tool", "_x", "a" * 65, "tool\n", "töol", b"tool", None, 7]
)
def test_F90_what_names_no_cause(word: object) -> None:
    assert not is_cause(word)


@pytest.mark.parametrize("cause", ["owner_gone", "owner_silent", "drained"])
def test_F100_a_runner_that_failed_is_not_run_again_whatever_word_it_uses(world: World, cause: str) -> None:
    ticket = world.start("a").ticket
    release = world.fail(ticket, RunFailure(Cause.read(cause), "says the runner"))
    assert (release.edge, release.message_state) == (Edge.FAIL, MessageState.FAILED)
    assert world.state("a") is LaneState.ERRORED


@pytest.mark.parametrize("value", [object(), {}, None], ids=["a type", "a container", "a constraint"])
async def test_F92_an_error_of_the_caller_is_no_error_of_the_database(astore: AsyncStore, value: object) -> None:
    def step(tx: Transaction) -> int:
        return tx.run("UPDATE counters SET name = :name WHERE name = 'touch'", {"name": value})

    with pytest.raises(errors.NotStorable) as refused:
        await astore.write(step)
    assert not isinstance(refused.value, errors.StorageError), "nobody who waits for the database waits for that"


def test_F92_what_is_too_large_is_an_error_of_the_caller(store: Store) -> None:
    connection: sqlite3.Connection = store._connection  # type: ignore[attr-defined]
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000)
    with pytest.raises(errors.NotStorable, match="too big"):
        store.write(lambda tx: tx.run("UPDATE counters SET name = :name WHERE name = 'x'", {"name": "x" * 2_000}))


FULL = """
import sys
from lanes_storage import errors, open_store
store = open_store(sys.argv[1], create=True)
try:
    store.write(lambda tx: tx.rows("PRAGMA hard_heap_limit = 1", {}) and tx.rows("SELECT randomblob(1000000)", {}))
except errors.StorageError as error:
    print(error, error.fix)
"""


def test_F1095_memory_that_has_run_out_is_waited_for(tmp_path: Path) -> None:
    """A limit of memory, or a host that promises no more than it has: the gateway ended with a traceback."""
    path = str(tmp_path / "lanes.db")
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path}: no memory is left in this process raise its limit")


def test_F95_columns_of_json_that_hold_none_are_shown(world: World) -> None:
    message = world.send("a")
    world.fail(world.claim("a").ticket)
    world.step(lambda tx: tx.run("UPDATE messages SET attempts = :said", {"said": "{no json"}))
    world.step(lambda tx: tx.run("UPDATE events SET detail = :said", {"said": "[1, 2"}))
    world.step(lambda tx: tx.run("UPDATE owners SET runners = :said", {"said": "chat"}))
    failure = world.message(message).error
    assert failure is not None
    assert [attempt.message for attempt in failure.attempts] == ["{no json"]
    assert {str(event.detail) for event in world.events()} == {"{'unreadable': '[1, 2'}"}
    assert world.owner_row(world.me).runners == ()


def test_F95_an_attempt_of_another_version_is_shown(world: World) -> None:
    message = world.send("a")
    world.fail(world.claim("a").ticket)
    said = '[{"provider": "p", "cause": "c", "message": "m", "at": 5, "status": 400, "new": 1}, {"provider": "q"}, 7]'
    world.step(lambda tx: tx.run("UPDATE messages SET attempts = :said", {"said": said}))
    failure = world.message(message).error
    assert failure is not None
    assert failure.attempts[0] == ProviderAttempt("p", "c", "m", 5, 400)
    assert [attempt.message for attempt in failure.attempts[1:]] == ['{"provider": "q"}', "7"]


def test_F95_a_lane_in_an_unknown_state_is_read_and_counted(world: World) -> None:
    now: Now = world.time()
    world.send("a")
    world.send("b")
    world.step(lambda tx: tx.rows("PRAGMA ignore_check_constraints = ON", {}))
    world.step(lambda tx: tx.run("UPDATE lanes SET state = 'asleep' WHERE key = 'a'", {}))
    world.step(lambda tx: tx.rows("PRAGMA ignore_check_constraints = OFF", {}))
    try:
        assert world.keys() == ["a", "b"]
        assert world.lane("a").state == "asleep"
        assert world.store.read(reads.counts(now.wall)).queued == 2
        assert world.claim("b")
    finally:
        world.step(lambda tx: tx.run("UPDATE lanes SET state = 'idle' WHERE key = 'a'", {}))


def test_F90_a_filter_knows_a_cause_of_a_runners_own(world: World) -> None:
    for key, cause in (("a", "tool_missing"), ("b", "run_timeout")):
        world.fail(world.start(key).ticket, RunFailure(Cause.read(cause), "says the runner"))
    assert world.keys(LaneFilter().where("error", How.HAS, "tool_miss")) == ["a"]
