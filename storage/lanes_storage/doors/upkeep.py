"""Upkeep: warnings, waits that are over, incidents, retention, and stored times after a change of the wall clock."""

import json
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared import end_waiting, record
from lanes_storage.fragments import EVENTS_OF_A_BLOCK
from lanes_storage.interface import Transaction, within
from lanes_storage.law import Cause, EventType, MessageState, Prunable
from lanes_storage.reads.of_owners import clock_noted
from lanes_storage.reads.shapes import parsed
from lanes_storage.records import ClockNote, RunFailure, SeenIncident, Ticket
from lanes_storage.statements import further, upkeep
from lanes_storage.statements.further import SPEND_AGAIN


def warn_held(tx: Transaction, ticket: Ticket, now: Now, *, by: str, detail: dict[str, Any]) -> bool:
    """Record that a run has held its lane for a long time. Returns False if it no longer holds the lane."""
    run, epoch = ticket
    rows = tx.rows(sql.HELD_BY_RUN, {"run": run, "epoch": epoch})
    for lane, state in rows:
        same = {"from_state": state, "to_state": state}
        record(tx, EventType.HELD_LONG, now, lane=lane, **same, run=run, epoch=epoch, actor=by, detail=detail)
    return bool(rows)


def warn_wait(tx: Transaction, message: int, now: Now, *, by: str, detail: dict[str, Any]) -> bool:
    """Record that the head of a lane has waited for a long time.

    Returns False if that was recorded before, or the message is no longer the head.
    """
    rows = tx.rows(sql.WARN_WAIT, {"message": message, "now": now.wall})
    for (lane,) in rows:
        record(tx, EventType.WAIT_EXCEEDED, now, lane=lane, message=message, actor=by, detail=detail)
    return bool(rows)


# ------------------------------------------------------------------------- messages whose wait is over

#: The most messages that are recalled, or expire, in one transaction.
PAGE = 64


def recall(tx: Transaction, now: Now, *, by: str) -> int:
    """Put messages that let others pass back to their places, once their wait is over; returns how many."""
    due = tx.rows(f"{further.RECALLABLE} LIMIT {PAGE:d}", {"now": now.wall})
    for message, lane in due:
        tx.run(further.RECALL, {"message": message})
        tx.run(sql.RESET_HEAD, {"lane": lane, "now": now.wall})
        record(tx, EventType.RECALLED, now, lane=lane, message=message, actor=by)
    return len(due)


def expire_waiting(tx: Transaction, now: Now) -> int:
    """End waiting messages whose ``max_wait`` has passed as ``failed`` (``expired``); returns how many."""
    due = tx.rows(f"{further.EXPIRED} LIMIT {PAGE:d}", {"now": now.wall})
    for message, accepted_at, expires_at in due:
        waited, limit = now.wall - accepted_at, expires_at - accepted_at
        sentence = f"it waited for {waited / 1000:g} s, longer than its max_wait of {limit / 1000:g} s"
        failure = RunFailure(Cause.EXPIRED, sentence, budget_ms=limit, elapsed_ms=waited)
        end_waiting(tx, message, MessageState.FAILED, failure, now, actor="lanes")
    return len(due)


# ------------------------------------------------------------------------------------------- incidents

#: The most incidents of one alert and kind that are reported one by one; the rest are reported together.
MANY = 20


def see_incidents(
    tx: Transaction, sightings: Sequence[SeenIncident], alerts: Sequence[str], now: Now, *, calm_ms: int
) -> None:
    """Begin incidents that are new, and end those of these alerts that were not seen for ``calm_ms``."""
    open_ = {(alert, kind, subject): id_ for id_, alert, kind, subject, _ in tx.rows(upkeep.OPEN_INCIDENTS, {})}
    seen = {sighting[:3]: sighting for sighting in _together(sightings, open_)}
    for identity, sighting in seen.items():
        if identity in open_:
            tx.run(upkeep.SEE_INCIDENT, {"id": open_[identity], "now": now.wall})
        else:
            values = sighting._asdict() | {"facts": json.dumps(sighting.facts), "now": now.wall}
            tx.run(upkeep.BEGIN_INCIDENT, values)
    for identity, id_ in open_.items():
        if identity not in seen and identity[0] in alerts:
            tx.run(upkeep.END_INCIDENT, {"id": id_, "now": now.wall, "unseen_since": now.wall - calm_ms})


def _together(sightings: Sequence[SeenIncident], open_: Iterable[tuple[str, str, str]]) -> list[SeenIncident]:
    """Of each alert and kind at most ``MANY`` sightings, those of open incidents first, and one that counts the rest.
    The child lanes of a session are one subject."""
    known, grouped = set(open_), dict[tuple[str, str], dict[str, SeenIncident]]()
    for sighting in sorted(sightings, key=lambda each: each[:3] not in known):
        grouped.setdefault(sighting[:2], {}).setdefault(sighting.subject, sighting)
    reported: list[SeenIncident] = []
    for (alert, kind), group in grouped.items():
        reported += [*group.values()][:MANY]
        if len(group) > MANY:
            reported.append(SeenIncident(alert, kind, "", {"count": len(group) - MANY}))
    return reported


def claim_incident(tx: Transaction, incident: int, owner: int, until: int, now: Now) -> bool:
    """Let this owner send the notification, until the wall time ``until``. Returns False if it was sent, or if another
    owner has the claim."""
    values = {"id": incident, "owner": owner, "until": until, "now": now.wall}
    return tx.run(upkeep.CLAIM_INCIDENT, values) == 1


def incident_sent(tx: Transaction, incident: int, owner: int, now: Now) -> None:
    tx.run(upkeep.INCIDENT_SENT, {"id": incident, "owner": owner, "now": now.wall})


def incident_not_sent(tx: Transaction, incident: int, owner: int, next_at: int) -> None:
    """The notification could not be sent; the next attempt is at the wall time ``next_at``."""
    tx.run(upkeep.INCIDENT_NOT_SENT, {"id": incident, "owner": owner, "next_at": next_at})


def prune_incidents(tx: Transaction, before: int) -> int:
    """Delete incidents that were last seen before this wall time; returns how many."""
    return tx.run(upkeep.PRUNE_INCIDENTS, {"before": before})


# ------------------------------------------------------------------------------------------- retention

_DEPENDENT_ROWS = {
    Prunable.RUNS: upkeep.PRUNE_ALL_OF_RUN,
    Prunable.LANES: upkeep.PRUNE_ALL_OF_IDLE_LANE,
    Prunable.ANONYMOUS: upkeep.PRUNE_ALL_OF_LANE,
}


def prune(tx: Transaction, kind: Prunable, chosen: Sequence[tuple[int, int]]) -> int:
    """Delete rows of one kind, with their dependent rows; returns how many rows of that kind were deleted.

    ``chosen`` contains pairs: an id, and the wall time before which the row must have been finished.
    """
    if kind is Prunable.EVENTS:
        return _prune_events(tx, chosen)
    deleted = [id_ for id_, before in chosen if tx.run(upkeep.PRUNE[kind], {"id": id_, "before": before}) == 1]
    for id_ in deleted:
        for statement in _DEPENDENT_ROWS.get(kind, ()):
            tx.run(statement, {"id": id_})
    return len(deleted)


def _prune_events(tx: Transaction, chosen: Sequence[tuple[int, int]]) -> int:
    """Delete events, and the entries of blocks in which their lanes have no other events."""
    deleted = [
        (id_, lane)
        for id_, before in chosen
        for (lane,) in tx.rows(upkeep.PRUNE[Prunable.EVENTS], {"id": id_, "before": before})
    ]
    blocks = dict.fromkeys((lane, id_ // EVENTS_OF_A_BLOCK) for id_, lane in deleted if lane is not None)
    tx.many(upkeep.PRUNE_BLOCK, [{"lane": lane, "block": block} for lane, block in blocks])
    return len(deleted)


def prune_idempotency(tx: Transaction, before: int, limit: int) -> int:
    """Delete idempotency keys older than ``before`` (wall time); returns how many."""
    return tx.run(upkeep.PRUNE_IDEMPOTENCY, {"before": before, "limit": limit})


def note_pruned(tx: Transaction, kind: Prunable, count: int, older_than_ms: int, now: Now, *, actor: str) -> None:
    detail = {"what": kind, "count": count, "older_than_ms": older_than_ms}
    record(tx, EventType.PRUNED, now, actor=actor, detail=detail)


# -------------------------------------------------------------------------------------- the wall clock

#: How far the wall clock and the boot clock may drift apart before the wall clock counts as set, in milliseconds.
DRIFT_MS = 2_000
#: A stored time that is further in the future was written before the clock was set back, in milliseconds. A smaller
#: difference may be one between the clocks of two machines.
AHEAD_MS = 60_000


def is_set(ahead: int, noted: int) -> bool:
    """Whether the wall clock was set, given how far it is ahead of the boot clock and how far it was."""
    return abs(ahead - noted) > DRIFT_MS


def is_noted(stored: ClockNote, now: Now) -> bool:
    """Whether the stored note is of this boot, and the wall clock was not set since."""
    ahead, boot = _note(now)
    return stored.ahead is not None and stored.boot == boot and not is_set(ahead, stored.ahead)


def note_clock(tx: Transaction, now: Now) -> int:
    """Note how far the wall clock is ahead of the boot clock, and move the times that were stored before it was set.

    The first process that notices a change does this for all. Returns by how much the clock was set since the last note
    in this boot, in milliseconds; 0: it was not set.
    """
    stored = within(tx, clock_noted())
    if is_noted(stored, now):
        return 0
    ahead, boot = _note(now)
    tx.run(upkeep.NOTE_CLOCK, {"ahead": ahead, "boot": boot})
    if stored.ahead is None or stored.boot != boot:
        latest = now.wall + AHEAD_MS
        _move(tx, upkeep.END, upkeep.TAKE_LATER_SPENT, {"now": now.wall, "latest": latest})
        _move_attempts(tx, lambda at: now.wall if at > latest else at)
        return 0
    by = ahead - stored.ahead
    _move(tx, upkeep.MOVE_BACK if by < 0 else upkeep.MOVE_ON, upkeep.TAKE_SPENT, {"by": by, "now": now.wall})
    _move_attempts(tx, lambda at: at + by if (at > now.wall if by < 0 else at + by <= now.wall) else at)
    return by


def _move(tx: Transaction, statements: Sequence[str], spent: str, times: dict[str, int]) -> None:
    for statement in statements:
        tx.run(statement, times)
    tx.many(SPEND_AGAIN, [tuple(row) for row in tx.rows(spent, times)])


def _move_attempts(tx: Transaction, moved: Callable[[int], int]) -> None:
    """Move the times in the attempts of unfinished messages; attempts that cannot be read stay unchanged."""
    for message, stored in tx.rows(upkeep.ATTEMPTS, {}):
        chain = parsed(stored, list) or []
        if all(isinstance(each, dict) and isinstance(each.get("at"), int) for each in chain):
            attempts = json.dumps([each | {"at": moved(each["at"])} for each in chain])
            if chain and attempts != stored:
                tx.run(upkeep.MOVE_ATTEMPTS, {"id": message, "attempts": attempts})


def _note(now: Now) -> tuple[int, int]:
    return now.wall - now.boot, int.from_bytes(sha256(now.boot_id.encode()).digest()[:6])
