"""Owners: the processes that hold and wait for lanes, and their heartbeats."""

import json
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.endings import end_waiting
from lanes_storage.doors.shared.journal import event, record, tell
from lanes_storage.doors.shared.sets import apart, array
from lanes_storage.interface import CommandStep, Given, Transaction, call
from lanes_storage.law import BoundTo, Cause, EventType, MessageState
from lanes_storage.records import Beat, NewOwner, RunFailure, Ticket


def register(tx: Transaction, new: NewOwner, now: Now) -> int:
    """Enter a process as an owner; returns its id."""
    values = new._asdict() | {"runners": json.dumps(new.runners), "now": now.wall, "boot": now.boot}
    values["slept"] = now.slept
    owner = int(tx.rows(sql.MAKE_OWNER, values)[0][0])
    who = {"kind": new.kind, "host": new.host, "pid": new.pid}
    record(tx, EventType.OWNER_STARTED, now, actor=f"owner:{owner}", detail=who)
    return owner


class Heartbeat(NamedTuple):
    """The command: an owner lives, and these are the runs that it holds, each with its progress.

    ``unchanged``: those of them that its heartbeat before this one named with the same.
    """

    owner: int
    beats: Sequence[Beat]
    now: Now
    unchanged: Container[int] = frozenset()


class OpenRun(NamedTuple):
    """A run that an owner holds: a row of ``statements.LIVING_OWNERS`` behind the owner and its id."""

    recovering: bool
    lane_id: int
    message_id: int
    progress_boot: int


def heartbeat(
    owner: int, beats: Sequence[Beat], now: Now, unchanged: Container[int] = frozenset()
) -> CommandStep[list[Ticket] | None]:
    """Prove that an owner lives, and name every run that it holds, with its progress.

    Runs of the owner that are left out come one step nearer to being ghosts. Results in the named runs that
    stand no more; None: the owner was declared gone and must register anew.
    """
    return call(beat, Heartbeat(owner, beats, now, unchanged))


def _of_owner(command: Heartbeat) -> tuple[int]:
    return (command.owner,)


@apart(_of_owner)
def beat(tx: Transaction, commands: Sequence[Heartbeat]) -> list[list[Ticket] | None]:
    """Read which owners live and what they hold, compare it with what they name, write it."""
    held = _held(tx, [command.owner for command in commands])
    heard = [(each, compare(each.beats, held[each.owner])) for each in commands if each.owner in held]
    tx.many(sql.HEARTBEAT_OWNER, [(each.now.wall, each.now.boot, each.now.slept, each.owner) for each, _ in heard])
    tx.many(sql.BEAT_RUN, [_named(one, each.owner) for each, _ in heard for one in _news(each, held[each.owner])])
    tx.many(sql.LEAVE_OUT, [(run,) for _, found in heard for run in found.left_out])
    tx.many(sql.RECOVERED, [(run,) for _, found in heard for run in found.recovered])
    tell(tx, [_recovered(each, run, held) for each, found in heard for run in found.recovered])
    lost = {each.owner: found.lost for each, found in heard}
    return [lost.get(command.owner) for command in commands]


def _held(tx: Transaction, owners: list[int]) -> dict[int, dict[int, OpenRun]]:
    """What each owner holds that has not ended."""
    held: dict[int, dict[int, OpenRun]] = {}
    for owner, run, *more in tx.rows(sql.LIVING_OWNERS, (array(owners),)):
        of_owner = held.setdefault(owner, {})
        if run is not None:
            of_owner[run] = OpenRun(*more)
    return held


class Compared(NamedTuple):
    """What an owner names against what it holds: runs that it has lost, leaves out, and names for the first time."""

    lost: list[Ticket]
    left_out: list[int]
    recovered: list[int]


def compare(beats: Sequence[Beat], held: Mapping[int, OpenRun]) -> Compared:
    """Only now is it said that a cut message runs again: its new run has proven itself."""
    named = {beat.ticket.run_id for beat in beats}
    return Compared(
        [beat.ticket for beat in beats if beat.ticket.run_id not in held],
        [run for run in held if run not in named],
        [run for run, row in held.items() if run in named and row.recovering],
    )


def _news(command: Heartbeat, held: Mapping[int, OpenRun]) -> Sequence[Beat]:
    """The rows of a thousand runs that only wait stay as they are; not one in which another process noted a wait."""

    def as_told(beat: Beat) -> bool:
        row = held.get(beat.ticket.run_id)
        return beat.ticket.run_id in command.unchanged and (row is None or row.progress_boot == beat.progress_boot)

    return [each for each in command.beats if not as_told(each)]


def _named(beat: Beat, owner: int) -> Given:
    """A run that tells what no row takes is named all the same: that says no more than that it lives."""
    ticket, progress, boot, at, busy, said, slept, ended, attempt = beat
    if not (isinstance(progress, str) and isinstance(said, str | None) and _is_time(busy)):
        progress, busy, said = "(can not be shown)", None, None
    asked = None if attempt is None else json.dumps(attempt._asdict())
    return progress, at, boot, busy, said, slept, ended, asked, ticket.run_id, owner


def note_progress(tx: Transaction, owner: int, beats: Sequence[Beat]) -> None:
    """Show before the next heartbeat what some of its runs do now. It judges nothing, and proves nothing of others."""
    tx.many(sql.BEAT_RUN, [_named(one, owner) for one in beats])


def _is_time(value: object) -> bool:
    return value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _recovered(command: Heartbeat, run: int, held: Mapping[int, Mapping[int, OpenRun]]) -> Given:
    _, lane, message, _ = held[command.owner][run]
    actor = f"owner:{command.owner}"
    return event(EventType.RECOVERED, command.now, lane=lane, run=run, message=message, epoch=run, actor=actor)


def standing_runs(tx: Transaction, owner: int) -> set[int]:
    """The runs that an owner holds, ended or not."""
    return {run for (run,) in tx.rows(sql.OPEN_RUNS_OF_OWNER, (owner,))}


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
        failure = RunFailure(BoundTo.read(bound_to).gone, f"owner {owner}, which it was bound to: {cause}")
        ended += end_waiting(tx, message, MessageState.ABORTED, failure, now, actor=by)
    detail = {"owner": owner, "cause": cause, "ended_messages": ended}
    record(tx, EventType.OWNER_ENDED, now, actor=by, detail=detail)
    return True


def touch(tx: Transaction) -> None:
    """Write something that means nothing: the proof that the database takes a write."""
    tx.run(sql.TOUCH, {})
