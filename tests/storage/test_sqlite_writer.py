"""The one writer: many callers, one commit; what one caller does wrong is not paid for by the others."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lanes_storage.errors import DatabaseLocked, NotStorable, StoreClosed
from lanes_storage.interface import Transaction, call
from lanes_storage.sqlite import writer as module
from lanes_storage.sqlite.file import locking, transaction
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.writer import Writer
from tests.kit.processes import PATIENCE_S


class Desk:
    """A writer on a table of its own, whose thread can be held at a gate, and its commits counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits = 0
        self.gate = threading.Event()
        self.gate.set()
        self.file = SqliteFile.open(path, create=True)
        connection = self.file.connection
        connection.execute("CREATE TABLE notes (note TEXT UNIQUE)")
        connection.execute("CREATE TABLE linked (lane INTEGER REFERENCES lanes (id) DEFERRABLE INITIALLY DEFERRED)")
        self.writer = Writer(self.file, self._committed)

    def _committed(self) -> None:
        self.commits += 1

    def held(self) -> "Held":
        return Held(self)

    def notes(self) -> list[str]:
        connection = sqlite3.connect(self.path)
        try:
            return [row[0] for row in connection.execute("SELECT note FROM notes ORDER BY rowid")]
        finally:
            connection.close()


class Held:
    """While this lasts, the writer waits in a step: everything handed in meanwhile is one batch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __enter__(self) -> None:
        self._desk.gate.clear()
        inside = threading.Event()

        def wait(tx: Transaction) -> None:
            inside.set()
            self._desk.gate.wait()

        self._desk.writer.submit_blocking(wait)
        inside.wait()

    def __exit__(self, *_: object) -> None:
        self._desk.gate.set()


class Wrong(Exception):
    """A step gives up."""


def note(text: str) -> "Note":
    return Note(text)


class Note:
    """A step that writes one row."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.calls = 0

    def __call__(self, tx: Transaction) -> str:
        self.calls += 1
        tx.run("INSERT INTO notes VALUES (:note)", {"note": self.text})
        return self.text


def wrong(tx: Transaction) -> None:
    tx.run("INSERT INTO notes VALUES ('half done')", {})
    raise Wrong


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "lanes.db")
    yield made
    made.gate.set()
    made.writer.close()


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def test_concurrent_callers_share_one_commit(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    with desk.held():
        futures = [desk.writer.submit(note(str(n)), loop) for n in range(20)]
    assert await asyncio.gather(*futures) == [str(n) for n in range(20)]
    assert desk.commits == 1
    assert desk.notes() == [str(n) for n in range(20)], "in the order in which they came"


async def test_a_batch_has_an_end(desk: Desk, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_BATCH", 8)
    with desk.held():
        futures = [desk.writer.submit(note(str(n)), loop) for n in range(20)]
    await asyncio.gather(*futures)
    assert desk.commits == 3


async def test_a_step_that_raises_hurts_nobody_else(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    before, after = note("before"), note("after")
    with desk.held():
        futures = [desk.writer.submit(step, loop) for step in (before, wrong, after)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert results[0] == "before"
    assert isinstance(results[1], Wrong)
    assert results[2] == "after"
    assert desk.notes() == ["before", "after"], "each once, and nothing half done"


async def test_an_error_that_no_future_takes_hurts_nobody_else(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    def ended(tx: Transaction) -> object:
        return next(iter(()))

    with desk.held():
        futures = [desk.writer.submit(step, loop) for step in (note("before"), ended, note("after"))]
    before, error, after = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), PATIENCE_S)
    assert (before, after) == ("before", "after")
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, StopIteration)


async def test_the_next_step_begins_afresh_where_what_undoes_one_raises(
    desk: Desk, loop: asyncio.AbstractEventLoop
) -> None:
    undone: list[str] = []

    def cannot_be_undone(tx: Transaction) -> None:
        tx.on_rollback(lambda: undone.append("the first"))
        tx.on_rollback(cannot)
        return wrong(tx)

    def cannot() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await desk.writer.submit(cannot_be_undone, loop)
    assert undone == ["the first"]
    assert await desk.writer.submit(note("next"), loop) == "next"
    assert desk.notes() == ["next"]


async def test_a_statement_that_is_refused_is_one_of_our_errors(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    with desk.held():
        futures = [desk.writer.submit(note("same"), loop) for _ in range(2)]
        futures.append(desk.writer.submit(note("another"), loop))
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert results[0] == "same"
    assert isinstance(results[1], NotStorable)
    assert results[2] == "another"
    assert desk.notes() == ["same", "another"]


async def test_a_commit_that_is_refused_hurts_nobody_else(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    """References are checked at the commit: the whole batch fails there, and only one step is to blame."""

    def dangling(tx: Transaction) -> None:
        tx.run("INSERT INTO linked VALUES (4711)", {})

    with desk.held():
        bad = desk.writer.submit(dangling, loop)
        good = desk.writer.submit(note("good"), loop)
    with pytest.raises(NotStorable):
        await bad
    assert await good == "good"
    assert desk.notes() == ["good"]


async def test_F591_where_the_file_stays_locked_all_callers_wait_once(
    desk: Desk, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    def counted(*given: object) -> None:
        begun.append(given)
        locking.begin(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(locking, "BUSY_TIMEOUT_MS", 300)
    monkeypatch.setattr(transaction, "begin", counted)
    other = sqlite3.connect(desk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    futures = [desk.writer.submit(note(str(n)), loop) for n in range(20)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    other.close()
    assert {type(each) for each in results} == {DatabaseLocked}
    assert len(begun) <= 2, "one wait for each batch, not one more for each of its steps"
    assert await desk.writer.submit(note("next"), loop) == "next"


async def test_F592_a_log_that_cannot_be_read_after_a_commit_ends_no_writer(
    desk: Desk, loop: asyncio.AbstractEventLoop
) -> None:
    log = desk.file.log
    kept = os.dup(log._descriptor)
    unreadable = os.open(desk.file.guard.files.log, os.O_WRONLY)
    os.dup2(unreadable, log._descriptor)  # each look at the length of the log raises OSError, as a bad disk does
    assert await desk.writer.submit(note("committed"), loop) == "committed"
    assert await asyncio.wait_for(desk.writer.submit(note("next"), loop), PATIENCE_S) == "next"
    os.dup2(kept, log._descriptor)
    os.close(kept)
    os.close(unreadable)


async def test_what_a_step_did_outside_is_undone_with_it(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    undone: list[str] = []

    def noted(name: str) -> Note:
        class Noted(Note):
            def __call__(self, tx: Transaction) -> str:
                tx.on_rollback(lambda: undone.append(f"{name}-{self.calls}"))
                return super().__call__(tx)

        return Noted(name)

    with desk.held():
        futures = [desk.writer.submit(step, loop) for step in (noted("a"), noted("b"), wrong)]
    await asyncio.gather(*futures, return_exceptions=True)
    assert undone == ["b-1", "a-1"], "the first try of each, the last first; what committed stays"


async def test_looking_alone_wakes_nobody(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    await desk.writer.submit(lambda tx: tx.rows("SELECT 1", {}), loop)
    await desk.writer.submit(lambda tx: tx.run("DELETE FROM notes", {}), loop)
    assert desk.commits == 0
    await desk.writer.submit(note("one"), loop)
    assert desk.commits == 1


async def test_the_commit_stands_before_its_caller_is_told(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    await desk.writer.submit(note("one"), loop)
    assert desk.notes() == ["one"]


async def test_a_caller_that_was_cancelled_leaves_what_was_committed(
    desk: Desk, loop: asyncio.AbstractEventLoop
) -> None:
    with desk.held():
        given_up = desk.writer.submit(note("given up"), loop)
        other = desk.writer.submit(note("other"), loop)
        given_up.cancel()
    assert await other == "other"
    assert given_up.cancelled()
    assert desk.notes() == ["given up", "other"]


def test_a_thread_waits_for_its_own_step(desk: Desk) -> None:
    assert desk.writer.submit_blocking(note("one")).result() == "one"
    with pytest.raises(Wrong):
        desk.writer.submit_blocking(wrong).result()
    assert desk.notes() == ["one"]


def test_what_a_thread_gave_up_before_it_began_never_runs(desk: Desk) -> None:
    with desk.held():
        given_up = desk.writer.submit_blocking(note("given up"))
        assert given_up.cancel()
    assert desk.writer.submit_blocking(note("other")).result() == "other"
    with desk.held():
        late = desk.writer.submit_blocking(note("late"))
    assert late.result() == "late"
    assert not late.cancel()
    assert desk.notes() == ["other", "late"]


async def test_a_loop_that_is_gone_stops_nobody(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    dead = asyncio.new_event_loop()
    with desk.held():
        desk.writer.submit(note("nobody waits"), dead)
        dead.close()
        alive = desk.writer.submit(note("somebody does"), loop)
    assert await alive == "somebody does"
    assert desk.notes() == ["nobody waits", "somebody does"]


async def test_closing_finishes_what_was_handed_in(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    with desk.held():
        futures = [desk.writer.submit(note(str(n)), loop) for n in range(3)]
        closing = threading.Thread(target=desk.writer.close)
        closing.start()
    closing.join()
    assert await asyncio.gather(*futures) == ["0", "1", "2"]
    assert desk.notes() == ["0", "1", "2"]


async def test_a_closed_writer_takes_nothing_and_says_so(desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
    desk.writer.close()
    desk.writer.close()
    with pytest.raises(StoreClosed):
        desk.writer.submit(note("late"), loop)
    with pytest.raises(StoreClosed):
        desk.writer.submit_blocking(note("late"))


async def test_F104_a_listener_that_raises_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from lanes_storage import open_async_store

    store = await open_async_store(str(tmp_path / "lanes.db"), create=True)
    heard: list[int] = []

    def broken() -> None:
        raise Wrong

    store.on_commit(broken)
    store.on_commit(lambda: heard.append(1))
    for number in range(2):
        await asyncio.wait_for(
            store.write(lambda tx, n=number: tx.run("UPDATE counters SET value = :n", {"n": n})),  # type: ignore[misc]
            60,
        )
    assert heard == [1, 1]
    assert "a listener to commits failed" in caplog.text
    await store.close()


async def test_F105_a_listener_that_is_taken_back_is_told_no_more(tmp_path: Path) -> None:
    from lanes_storage import open_async_store

    store = await open_async_store(str(tmp_path / "lanes.db"), create=True)
    heard: list[str] = []
    remove = store.on_commit(lambda: heard.append("one"))
    store.on_commit(lambda: heard.append("other"))
    remove()
    remove()
    await store.write(lambda tx: tx.run("UPDATE counters SET value = 9", {}))
    assert heard == ["other"]
    await store.close()


# ------------------------------------------------------------------------------------------------ commands

SETS: list[list[str]] = []


@pytest.fixture
def sets() -> list[list[str]]:
    SETS.clear()
    return SETS


def put_down(tx: Transaction, texts: Sequence[str]) -> list[str]:
    """A transition that notes what it was given, and refuses what is wrong."""
    SETS.append([*texts])
    tx.many("INSERT INTO notes VALUES (:note)", [{"note": text} for text in texts])
    if "wrong" in texts:
        raise Wrong
    return [text.upper() for text in texts]


async def test_the_commands_for_one_transition_are_one_set(
    desk: Desk, loop: asyncio.AbstractEventLoop, sets: list[list[str]]
) -> None:
    with desk.held():
        futures = [desk.writer.submit(step, loop) for step in (call(put_down, "a"), note("x"), call(put_down, "b"))]
    assert await asyncio.gather(*futures) == ["A", "x", "B"]
    assert sets == [["a", "b"]]
    assert sorted(desk.notes()) == ["a", "b", "x"]
    assert desk.commits == 1


async def test_a_command_that_raises_hurts_nobody_else(
    desk: Desk, loop: asyncio.AbstractEventLoop, sets: list[list[str]]
) -> None:
    with desk.held():
        futures = [desk.writer.submit(call(put_down, text), loop) for text in ("a", "wrong", "b")]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [results[0], results[2]] == ["A", "B"]
    assert isinstance(results[1], Wrong)
    assert sets == [["a", "wrong", "b"], ["a"], ["wrong"], ["b"]]
    assert desk.notes() == ["a", "b"]


async def test_what_goes_on_with_a_result_is_in_the_same_transaction(
    desk: Desk, loop: asyncio.AbstractEventLoop, sets: list[list[str]]
) -> None:
    def further(tx: Transaction, came: str) -> str:
        tx.run("INSERT INTO notes VALUES (:note)", {"note": came})
        if came == "B":
            raise Wrong
        return came * 2

    with desk.held():
        futures = [desk.writer.submit(call(put_down, text).and_then(further), loop) for text in "ab"]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert results[0] == "AA"
    assert isinstance(results[1], Wrong)
    assert desk.notes() == ["a", "A"]


def test_a_set_takes_half_a_character_and_counts_its_rows(desk: Desk) -> None:
    def step(tx: Transaction) -> int:
        return tx.many(
            "INSERT INTO notes VALUES (:note)", [{"note": text} for text in ("a", "b \ud800", "c", "\udfff")]
        )

    assert desk.writer.submit_blocking(step).result() == 4
    assert desk.notes() == ["a", "b ?", "c", "?"]
    assert desk.writer.submit_blocking(lambda tx: tx.many("DELETE FROM notes WHERE note = :n", [])).result() == 0
    gone = [{"n": "a"}, {"n": "none"}, {"n": "c"}]
    assert desk.writer.submit_blocking(lambda tx: tx.many("DELETE FROM notes WHERE note = :n", gone)).result() == 2
