"""Owners: the processes that hold and wait for lanes, and their heartbeats."""

import json
from collections.abc import Sequence
from typing import Any

from lanes_storage import statements as sql
from lanes_storage.doors.endings import end_waiting
from lanes_storage.doors.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import BoundTo, Cause, EventType, MessageState
from lanes_storage.moment import Now
from lanes_storage.records import Beat, Failure, NewOwner, Ticket


def register(tx: Transaction, new: NewOwner, now: Now) -> int:
    """Enter a process as an owner; returns its id."""
    values = new._asdict() | {"runners": json.dumps(new.runners), "now": now.wall, "boot": now.boot}
    values["slept"] = now.slept
    owner = int(tx.rows(sql.MAKE_OWNER, values)[0][0])
    who = {"kind": new.kind, "host": new.host, "pid": new.pid}
    record(tx, EventType.OWNER_STARTED, now, actor=f"owner:{owner}", detail=who)
    return owner


def heartbeat(tx: Transaction, owner: int, beats: Sequence[Beat], now: Now) -> list[Ticket] | None:
    """Prove that an owner lives, and name every run that it holds, with its progress, in one statement.

    Runs of the owner that are left out come one step nearer to being ghosts. Returns the named runs that
    stand no more; None: the owner was declared gone and must register anew.
    """
    if tx.run(sql.HEARTBEAT_OWNER, {"owner": owner, "now": now.wall, "boot": now.boot, "slept": now.slept}) != 1:
        return None
    if beats:
        tx.run(tx.dialect.heartbeat_runs, {"owner": owner, "beats": _all_named(beats)})
    standing: dict[int, bool] = dict(tx.rows(sql.OPEN_RUNS_OF_OWNER, {"owner": owner}))  # type: ignore[arg-type]
    runs = {beat.ticket.run_id for beat in beats}
    for run, recovering in standing.items():
        if run not in runs:
            tx.run(sql.LEAVE_OUT, {"run": run})
        elif recovering:
            _recovered(tx, owner, run, now)
    return [beat.ticket for beat in beats if beat.ticket.run_id not in standing]


def _all_named(beats: Sequence[Beat]) -> str:
    """The beats as the statement takes them. One that tells what no row takes is a beat all the same: it says no more
    than that the run lives."""
    try:
        return _written([_named(beat) for beat in beats])
    except (TypeError, ValueError):
        return _written([_named(beat) if _speaks(beat) else _named(_bare(beat)) for beat in beats])


def _written(named: list[Any]) -> str:
    # Characters as they are: of an escape the engine would make half a character, and nobody could read the row.
    return json.dumps(named, ensure_ascii=False, allow_nan=False)


def _named(beat: Beat) -> list[Any]:
    run, progress, boot, at, busy, said, slept, ended = beat
    return [run.run_id, progress, at, boot, busy, said, slept, ended]


def _speaks(beat: Beat) -> bool:
    try:
        return bool(_written(_named(beat)))
    except (TypeError, ValueError):
        return False


def _bare(beat: Beat) -> Beat:
    return beat._replace(progress="(can not be shown)", busy_until_boot=None, reply_so_far=None)


def _recovered(tx: Transaction, owner: int, run: int, now: Now) -> None:
    """Only now is it said that a cut message runs again: its new run has proven itself."""
    for lane, message in tx.rows(sql.RECOVERED, {"run": run}):
        record(tx, EventType.RECOVERED, now, lane=lane, run=run, message=message, epoch=run, actor=f"owner:{owner}")


def standing_runs(tx: Transaction, owner: int) -> set[int]:
    """The runs that an owner holds."""
    return {row[0] for row in tx.rows(sql.OPEN_RUNS_OF_OWNER, {"owner": owner})}


def drain(tx: Transaction, owner: int, now: Now, *, by: str, until: int) -> bool:
    """Let an owner claim nothing more; at ``until`` (wall time) it cuts what still runs.

    A second drain takes the place of the first. It ends with the owner's row. False: that has ended.
    """
    landed = tx.run(sql.DRAIN_OWNER, {"owner": owner, "by": by, "until": until, "now": now.wall}) == 1
    if landed:
        record(tx, EventType.DRAIN, now, actor=by, detail={"owner": owner, "until": until})
    return landed


def end_owner(tx: Transaction, owner: int, now: Now, *, cause: str, by: str, heartbeats: int | None = None) -> bool:
    """Close an owner that stopped, is provably gone or fell silent, and end what waits bound to it.

    Its runs are released before, by the releases. ``heartbeats``: only if it has not beaten since that count
    was read. An owner that was merely silent finds out at its next heartbeat and registers anew.
    False: it had ended before, or has beaten since.
    """
    if tx.run(sql.END_OWNER, {"owner": owner, "now": now.wall, "cause": cause, "heartbeats": heartbeats}) != 1:
        return False
    if cause in (Cause.OWNER_GONE, Cause.OWNER_SILENT):  # then nothing waits in its process
        tx.run(sql.END_WAITS_OF_OWNER, {"owner": owner})
    ended = 0
    for message, bound_to in tx.rows(sql.WAITING_OF_OWNER, {"owner": owner}):
        failure = Failure(BoundTo.read(bound_to).gone, f"owner {owner}, which it was bound to: {cause}")
        ended += end_waiting(tx, message, MessageState.ABORTED, failure, now, actor=by)
    detail = {"owner": owner, "cause": cause, "ended_messages": ended}
    record(tx, EventType.OWNER_ENDED, now, actor=by, detail=detail)
    return True


def touch(tx: Transaction) -> None:
    """Write something that means nothing: the proof that the database takes a write."""
    tx.run(sql.TOUCH, {})
