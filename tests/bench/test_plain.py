"""What lanes is held against does all the work that it is said to do."""

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lanes
from lanes.bench.kit import filling
from lanes.bench.kit.rows import BenchRow
from lanes.bench.kit.work import TINY, Work
from lanes.bench.measuring import measured
from lanes.bench.plain import recorded, replaying, sets
from tests.bench import older, peers
from tests.bench.rows.older import ROWS

BATCH = 16


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    work = Work(TINY, tmp_path, progress=lambda _: None)
    yield work
    work.close()


def ends(connection: sqlite3.Connection) -> dict[str, int]:
    """What the messages of a database came to, if everything else says the same."""
    (held,) = connection.execute("SELECT count(*) FROM lanes WHERE state <> 'idle' OR run_id IS NOT NULL").fetchone()
    (running,) = connection.execute("SELECT count(*) FROM runs WHERE ended_at IS NULL").fetchone()
    assert (held, running) == (0, 0)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return dict(connection.execute("SELECT state, count(*) FROM messages GROUP BY state"))


@pytest.mark.parametrize("batch", [1, BATCH])
def test_what_0_1_0_ran_is_whole_cycles(work: Work, batch: int) -> None:
    connection = recorded.opened(recorded.copied(work, work.size.lanes))
    replaying.replay(connection, recorded.transactions(work, batch, work.size.cycles))
    assert ends(connection) == {"done": work.size.lanes + work.size.cycles}
    progressed = connection.execute("SELECT count(*) FROM runs WHERE progress = 'content' AND edge = 'complete'")
    assert progressed.fetchone() == (work.size.lanes + work.size.cycles,)
    connection.close()


@pytest.mark.parametrize("batch", [BATCH, 24])  # the last set of the second is smaller
def test_what_the_doors_do_in_sets_is_whole_cycles(work: Work, batch: int) -> None:
    _, connection, _ = sets.opened(work, batch)
    doing = sets.transactions(work, batch)
    assert len(doing) == 4 * -(-work.size.cycles // batch)
    assert any(statement.many for statement in doing[0])
    replaying.replay(connection, doing)
    assert ends(connection) == {"done": work.size.lanes + work.size.cycles}
    connection.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_against_0_1_0_gives_a_figure(row: BenchRow, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """This version in the place of the older one, on a database of its own schema: that has to be installed."""
    monkeypatch.setattr(older, "VERSION", lanes.__version__)
    monkeypatch.setattr(recorded, "copied", filling.copied)
    monkeypatch.setattr(peers, "PYTHON", sys.executable)
    (result,) = measured([row], work)
    assert result.measured is not None, result.why
    assert result.measured.value.median > 0
