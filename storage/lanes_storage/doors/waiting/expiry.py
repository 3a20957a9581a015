"""The end of messages that have waited longer than their ``max_wait``."""

from lanes_storage.clock import Now
from lanes_storage.doors.shared.endings import end_waiting
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, MessageState
from lanes_storage.records import RunFailure
from lanes_storage.statements import guarding as sql

#: Messages that end in one transaction.
PAGE = 64


def expire_waiting(tx: Transaction, now: Now) -> int:
    """End waiting messages as ``failed`` (``expired``) whose time is over; returns how many."""
    due = tx.rows(f"{sql.EXPIRED} LIMIT {PAGE:d}", {"now": now.wall})
    for message, accepted_at, expires_at in due:
        waited, limit = now.wall - accepted_at, expires_at - accepted_at
        said = f"it waited for {waited / 1000:g} s, longer than its max_wait of {limit / 1000:g} s"
        failure = RunFailure(Cause.EXPIRED, said, budget_ms=limit, elapsed_ms=waited)
        end_waiting(tx, message, MessageState.FAILED, failure, now, actor="lanes")
    return len(due)
