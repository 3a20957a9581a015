"""Pauses: while one applies to a lane (or to all lanes whose keys match a glob), no run may claim that lane.

A lane, with all lanes of its session, may have one pause of each kind (``PauseKind``). Each ends separately: by a
person, at its time, or when its cause is gone. An active run continues.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared import record
from lanes_storage.globs import as_sqlite
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType, LaneState, PauseKind
from lanes_storage.statements import further


class Control(NamedTuple):
    """Whether an action was applied, and the previous state and epoch of the lane. ``state`` is None without such a
    lane.

    ``moved_on``: the lane had another epoch than the caller meant, and was not changed.
    """

    applied: bool
    state: LaneState | None
    epoch: int = 0
    moved_on: bool = False


def find(tx: Transaction, key: str, bound_epoch: int | None) -> tuple[int | None, Control]:
    """The id of the lane, or None if the action must stop (no such lane, or another epoch); and its result so far: not
    applied."""
    found = tx.rows(sql.FIND_LANE, {"key": key})
    if not found:
        return None, Control(False, None)
    lane, state, epoch, *_ = found[0]
    if bound_epoch not in (None, epoch) and bound_epoch not in {
        each[1] for each in tx.rows(further.SESSION_LANES, {"key": key})
    }:
        return None, Control(False, LaneState.read(state), epoch, moved_on=True)
    return lane, Control(False, LaneState.read(state), epoch)


def pause(
    tx: Transaction,
    key: str,
    now: Now,
    *,
    actor: str,
    reason: str,
    until: int | None = None,
    bound_epoch: int | None = None,
) -> Control:
    """A person pauses a lane until ``until`` (wall time), or until it is resumed.

    ``bound_epoch``, here and below: the epoch that the lane must have; None allows any.
    """
    lane, result = find(tx, key, bound_epoch)
    if lane is None:
        return result
    pause_lane(tx, lane, PauseKind.HAND, now, actor=actor, reason=reason, until=until, epoch=result.epoch)
    return result._replace(applied=True)


def resume(tx: Transaction, key: str, now: Now, *, actor: str, bound_epoch: int | None = None) -> Control:
    """A person ends every pause of the lane itself, and the refusal of repeated requests. Not applied if there was
    neither."""
    lane, result = find(tx, key, bound_epoch)
    if lane is None:
        return result
    ended, forgiven = tx.run(sql.END_PAUSES, {"lane": lane}) > 0, _forgive(tx, lane, now)
    if ended or forgiven:
        _resumed(tx, lane, now, actor=actor, epoch=result.epoch)
    return result._replace(applied=ended or forgiven)


def _forgive(tx: Transaction, lane: int, now: Now) -> bool:
    """Let a session repeat its requests; returns whether some were refused."""
    known = tx.rows(further.REPEAT, {"lane": lane})
    tx.run(further.FORGIVE, {"lane": lane, "now": now.wall})
    return bool(known) and known[0][0] is not None


def pause_lane(
    tx: Transaction,
    lane: int,
    kind: PauseKind,
    now: Now,
    *,
    actor: str,
    reason: str,
    until: int | None = None,
    epoch: int | None = None,
) -> None:
    """Pause a lane, by its id, with all lanes of its session. A second pause of the same kind replaces the first."""
    lane = _own(tx, lane)
    values = {"lane": lane, "kind": kind, "reason": reason, "actor": actor, "until": until, "now": now.wall}
    tx.run(sql.PAUSE_LANE, values)
    tx.run(sql.CHANGED_LANE, {"lane": lane, "now": now.wall})
    detail = {"reason": reason, "until": until}
    record(tx, EventType.PAUSED, now, lane=lane, epoch=epoch, actor=actor, detail=detail)


def end_pause(tx: Transaction, lane: int, kind: PauseKind, now: Now, *, actor: str) -> bool:
    """End one kind of pause of a lane, because its cause is gone. Returns False if there was no such pause."""
    ended = tx.run(sql.END_PAUSE, {"lane": lane, "kind": kind}) > 0
    if ended:
        _resumed(tx, _own(tx, lane), now, actor=actor, epoch=None)
    return ended


def note_survivors(tx: Transaction, run: int, left: Sequence[str], now: Now, *, by: str) -> None:
    """Store which processes of a run are still alive after its forced release. ``()`` proves that none is; once that is
    proven for all such runs of the lane, the lane is no longer paused because of them."""
    rows = tx.rows(further.NOTE_SURVIVORS, {"run": run, "survivors": json.dumps([*left])})
    for (lane,) in rows if not left else ():
        if not tx.rows(further.UNPROVEN_OF_LANE, {"lane": lane}):
            end_pause(tx, lane, PauseKind.SURVIVORS, now, actor=by)


def pause_matching(
    tx: Transaction, pattern: str, kind: PauseKind, now: Now, *, actor: str, reason: str, until: int | None = None
) -> None:
    """Pause every lane whose key matches a glob, also those that are created later; ``*``: all lanes.

    The glob is stored in the syntax of SQLite, which compares it whenever it looks for a head.
    """
    tx.run(sql.PRUNE_GLOB_PAUSES, {"now": now.wall})
    stored = as_sqlite(pattern)
    values = {"pattern": stored, "kind": kind, "reason": reason, "actor": actor, "until": until, "now": now.wall}
    tx.run(sql.PAUSE_PATTERN, values)
    record(tx, EventType.PAUSED, now, actor=actor, detail={"match": pattern, "reason": reason, "until": until})


def resume_matching(
    tx: Transaction, pattern: str, kind: PauseKind | None, now: Now, *, actor: str, set_at: int | None = None
) -> bool:
    """End the pause of a glob: the one of that kind, or all kinds if ``kind`` is None (as a person does).

    ``set_at``: only the one that was set at that wall time; None allows any. Lanes with a separate pause, or paused by
    another glob, stay paused. Returns False if there was no such pause.
    """
    ended = tx.run(sql.END_PATTERN_PAUSES, {"pattern": as_sqlite(pattern), "kind": kind, "set_at": set_at}) > 0
    if ended:
        record(tx, EventType.RESUMED, now, actor=actor, detail={"match": pattern})
    return ended


def restored(tx: Transaction, now: Now, *, actor: str, epoch: int) -> list[str]:
    """In a restored copy: raise the epoch counter to at least ``epoch``, and pause every lane with unfinished messages;
    returns their keys. These may have been answered since the copy was made, so a person must check before they run.
    """
    tx.run(sql.RAISE_EPOCH, {"least": epoch})
    unfinished = tx.rows(sql.UNFINISHED_LANES, {})
    for lane, _ in unfinished:
        pause_lane(tx, lane, PauseKind.RESTORED, now, actor=actor, reason=PauseKind.RESTORED)
    return [key for _, key in unfinished]


def _own(tx: Transaction, lane: int) -> int:
    """The lane of the session: an event of this lane makes dispatchers read all lanes of the session again."""
    return int(tx.rows(further.OWN_LANE, {"lane": lane})[0][0])


def _resumed(tx: Transaction, lane: int, now: Now, *, actor: str, epoch: int | None) -> None:
    tx.run(sql.CHANGED_LANE, {"lane": lane, "now": now.wall})
    record(tx, EventType.RESUMED, now, lane=lane, epoch=epoch, actor=actor)
