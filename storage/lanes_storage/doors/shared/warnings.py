"""Warnings: the journal records what takes a long time; nothing else changes."""

from typing import Any

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType
from lanes_storage.records import Ticket


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
