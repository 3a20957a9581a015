"""What happened, read from the rows that are left: the judge of every campaign."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class History:
    """What a database says about every lane, and what is wrong with it."""

    messages: int = 0
    unfinished: int = 0
    problems: list[str] = field(default_factory=list)


def read_history(database: Path) -> History:
    """Check a database after a campaign.

    No two runs of a lane overlap; messages of a lane start in the order in which they were accepted; every message
    has at most one ending; every release has its event.
    """
    history = History()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        _check_endings(connection, history)
        _check_runs(connection, history)
        _check_events(connection, history)
    finally:
        connection.close()
    return history


def _check_endings(connection: sqlite3.Connection, history: History) -> None:
    for message, state, ended_at in connection.execute("SELECT id, state, ended_at FROM messages"):
        history.messages += 1
        if ended_at is None:
            history.unfinished += 1
        if (state in ("queued", "running")) != (ended_at is None):
            history.problems.append(f"message {message} is {state} and ended at {ended_at}")
    completed: defaultdict[int, int] = defaultdict(int)
    for (message,) in connection.execute("SELECT message_id FROM runs WHERE edge = 'complete'"):
        completed[message] += 1
    history.problems += [f"message {m} was completed {n} times" for m, n in completed.items() if n > 1]


def _check_runs(connection: sqlite3.Connection, history: History) -> None:
    """By the order of the journal, which is the order of the commits."""
    held: dict[int, int] = {}
    newest: dict[int, int] = {}
    rows = connection.execute(
        "SELECT lane_id, type, run_id, message_id, to_state FROM events WHERE from_state IS NOT to_state"
        " AND run_id IS NOT NULL ORDER BY id"
    )
    for lane, kind, run, message, to_state in rows:
        if kind == "claim":
            if lane in held:
                history.problems.append(f"lane {lane}: run {run} claimed while run {held[lane]} held it")
            if message < newest.get(lane, 0):
                history.problems.append(f"lane {lane}: message {message} started after {newest[lane]}")
            held[lane] = run
            newest[lane] = max(newest.get(lane, 0), message)
        elif to_state in ("idle", "errored", "aborted") and held.pop(lane, None) != run:
            history.problems.append(f"lane {lane}: run {run} released what it did not hold")
    opened = {lane for (lane,) in connection.execute("SELECT id FROM lanes WHERE state = 'running'")}
    if opened != set(held):
        history.problems.append(f"lanes {opened} are running, the journal says {set(held)}")


def _check_events(connection: sqlite3.Connection, history: History) -> None:
    (claims,) = connection.execute("SELECT count(*) FROM events WHERE type = 'claim'").fetchone()
    (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    if claims != runs:
        history.problems.append(f"{runs} runs, {claims} claims in the journal")
    (twice,) = connection.execute(
        "SELECT count(*) FROM (SELECT lane_id FROM runs WHERE ended_at IS NULL GROUP BY lane_id HAVING count(*) > 1)"
    ).fetchone()
    if twice:
        history.problems.append(f"{twice} lanes have two open runs")
