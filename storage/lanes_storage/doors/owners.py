"""Owners: processes that hold lanes or wait for lanes, and their heartbeats."""

import json
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared import end_waiting, event, record, write_events
from lanes_storage.doors.shared.sets import array, serialized
from lanes_storage.doors.upkeep import note_clock
from lanes_storage.interface import Bindings, CommandStep, Transaction, call
from lanes_storage.law import BoundTo, Cause, EventType, MessageState
from lanes_storage.records import Beat, NewOwner, RunFailure, Ticket
from lanes_storage.statements.further import END_WAITS_OF_OWNER


def register(tx: Transaction, new: NewOwner, now: Now) -> int:
    """Store a process as an owner; returns its id."""
    values = now.params | new._asdict() | {"runners": json.dumps(new.runners)}
    owner = int(tx.rows(sql.MAKE_OWNER, values)[0][0])
    note_clock(tx, now)
    detail = {"kind": new.kind, "host": new.host, "pid": new.pid}
    record(tx, EventType.OWNER_STARTED, now, actor=f"owner:{owner}", detail=detail)
    return owner


class Heartbeat(NamedTuple):
    """The command: the owner is alive and holds these runs; each comes with its progress.

    ``unchanged``: the runs that its previous heartbeat named with the same progress.
    """

    owner: int
    beats: Sequence[Beat]
    now: Now
    unchanged: Container[int] = frozenset()

    @property
    def about(self) -> tuple[int]:
        return (self.owner,)


class OpenRun(NamedTuple):
    """A run that an owner holds: a row of ``statements.LIVING_OWNERS`` after the owner and the run's id."""

    recovering: bool
    lane_id: int
    message_id: int
    progress_boot: int


def heartbeat(
    owner: int, beats: Sequence[Beat], now: Now, unchanged: Container[int] = frozenset()
) -> CommandStep[list[Ticket] | None]:
    """Prove that an owner is alive, and name every run that it holds, with the progress of the run.

    A run missing from GHOST_AFTER heartbeats is a ghost. Returns the named runs that the owner no longer holds, or None
    if it was declared gone and must register again.
    """
    return call(beat, Heartbeat(owner, beats, now, unchanged))


@serialized
def beat(tx: Transaction, commands: Sequence[Heartbeat]) -> list[list[Ticket] | None]:
    """Read which owners are alive and which runs they hold, compare those with the named runs, and write the result."""
    held = _held(tx, [command.owner for command in commands])
    living = [(each, compare(each.beats, held[each.owner])) for each in commands if each.owner in held]
    tx.many(sql.HEARTBEAT_OWNER, [(each.now.wall, each.now.boot, each.now.slept, each.owner) for each, _ in living])
    tx.many(sql.BEAT_RUN, [_run(one, each.owner) for each, _ in living for one in _changed(each, held[each.owner])])
    tx.many(sql.LEAVE_OUT, [(run,) for _, found in living for run in found.left_out])
    tx.many(sql.RECOVERED, [(run,) for _, found in living for run in found.recovered])
    write_events(tx, [_recovered(each, run, held) for each, found in living for run in found.recovered])
    lost = {each.owner: found.lost for each, found in living}
    return [lost.get(command.owner) for command in commands]


def _held(tx: Transaction, owners: list[int]) -> dict[int, dict[int, OpenRun]]:
    """The open runs of each owner that is still registered."""
    held: dict[int, dict[int, OpenRun]] = {}
    for owner, run, *more in tx.rows(sql.LIVING_OWNERS, (array(owners),)):
        of_owner = held.setdefault(owner, {})
        if run is not None:
            of_owner[run] = OpenRun(*more)
    return held


class Compared(NamedTuple):
    """Which runs the owner has lost, which it did not name, and which it names for the first time after an
    interruption."""

    lost: list[Ticket]
    left_out: list[int]
    recovered: list[int]


def compare(beats: Sequence[Beat], held: Mapping[int, OpenRun]) -> Compared:
    """Compare the runs that an owner names with the runs that it holds. An interrupted message counts as running again
    only when a heartbeat names its new run."""
    named = {beat.ticket.run_id for beat in beats}
    return Compared(
        [beat.ticket for beat in beats if beat.ticket.run_id not in held],
        [run for run in held if run not in named],
        [run for run, row in held.items() if run in named and row.recovering],
    )


def _changed(command: Heartbeat, held: Mapping[int, OpenRun]) -> Sequence[Beat]:
    """Which runs must be written: only those that changed, or for which another process stored a wait."""

    def unchanged(beat: Beat) -> bool:
        row = held.get(beat.ticket.run_id)
        return beat.ticket.run_id in command.unchanged and (row is None or row.progress_boot == beat.progress_boot)

    return [each for each in command.beats if not unchanged(each)]


def _run(beat: Beat, owner: int) -> Bindings:
    """A run whose progress cannot be stored still counts as named, so it counts as alive."""
    ticket, progress, boot, at, busy, reply, slept, ended, attempt = beat
    if not (isinstance(progress, str) and (reply is None or isinstance(reply, str)) and _is_time(busy)):
        progress, busy, reply = "(can not be shown)", None, None
    attempt_json = None if attempt is None else json.dumps(attempt._asdict())
    return progress, at, boot, busy, reply, slept, ended, attempt_json, ticket.run_id, owner


def note_progress(tx: Transaction, owner: int, beats: Sequence[Beat]) -> None:
    """Store the current progress of some runs before the next heartbeat, for display; no decision is based on it."""
    tx.many(sql.BEAT_RUN, [_run(one, owner) for one in beats])


def _is_time(value: object) -> bool:
    return value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _recovered(command: Heartbeat, run: int, held: Mapping[int, Mapping[int, OpenRun]]) -> Bindings:
    _, lane, message, _ = held[command.owner][run]
    actor = f"owner:{command.owner}"
    return event(EventType.RECOVERED, command.now, lane=lane, run=run, message=message, epoch=run, actor=actor)


def drain(tx: Transaction, owner: int, now: Now, *, by: str, until: int) -> bool:
    """Stop an owner from claiming, and end the waiting messages bound to it, which nobody else may claim. At ``until``
    (wall time), the owner interrupts the runs that are left.

    A second drain replaces the first. A drain lasts until the owner ends. Returns False if the owner has ended.
    """
    changed = tx.run(sql.DRAIN_OWNER, {"owner": owner, "by": by, "until": until, "now": now.wall}) == 1
    if changed:
        record(tx, EventType.DRAIN, now, actor=by, detail={"owner": owner, "until": until})
        _end_bound_to(tx, owner, now, cause=Cause.DRAINED, by=by)
    return changed


def end_owner(tx: Transaction, owner: int, now: Now, *, cause: str, by: str, heartbeats: int | None = None) -> bool:
    """End an owner that stopped, is provably gone or was silent too long, and end the waiting messages bound to it.

    Its runs must be released before. ``heartbeats``: end it only if it has sent no heartbeat since that count was read.
    An owner that was merely silent is informed at its next heartbeat, and registers again.
    Returns False if it had already ended, or has sent a heartbeat since.
    """
    if tx.run(sql.END_OWNER, {"owner": owner, "now": now.wall, "cause": cause, "heartbeats": heartbeats}) != 1:
        return False
    if cause in (Cause.OWNER_GONE, Cause.OWNER_SILENT):  # then its process no longer waits for messages
        tx.run(END_WAITS_OF_OWNER, {"owner": owner})
    detail = {"owner": owner, "cause": cause, "ended_messages": _end_bound_to(tx, owner, now, cause=cause, by=by)}
    record(tx, EventType.OWNER_ENDED, now, actor=by, detail=detail)
    return True


def _end_bound_to(tx: Transaction, owner: int, now: Now, *, cause: str, by: str) -> int:
    """End the waiting messages that only this owner may claim; returns how many there were."""
    ended = 0
    for message, bound_to in tx.rows(sql.WAITING_OF_OWNER, {"owner": owner}):
        failure = RunFailure(BoundTo.read(bound_to).end_cause, f"owner {owner}, which it was bound to: {cause}")
        ended += end_waiting(tx, message, MessageState.ABORTED, failure, now, actor=by)
    return ended


def touch(tx: Transaction) -> None:
    """Write a meaningless value, to test whether the database accepts a write."""
    tx.run(sql.TOUCH, {})
