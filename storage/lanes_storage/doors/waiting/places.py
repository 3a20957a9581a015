"""Where messages wait, and how long: a person moves one to the front; one whose retry waits may let others pass; one
that has waited longer than its ``max_wait`` ends."""

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.endings import end_waiting, payload
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, EventType, MessageState
from lanes_storage.records import Head, RetryTerms, RunFailure
from lanes_storage.statements import again, guarding

#: Messages that are recalled, or end, in one transaction.
PAGE = 64


def park_again(tx: Transaction, head: Head, until: int, retry: RetryTerms, now: Now) -> None:
    """Let an unclaimed head, which no provider took in time, wait for its next try until ``until`` (wall time)."""
    aside = {"aside": not retry.hold, "before": MessageState.QUEUED}
    tx.run(again.RETRY_MESSAGE, aside | {"message": head.message_id, "until": until, "attempts": None})
    if not retry.hold:
        tx.run(sql.RESET_HEAD, {"lane": head.lane_id, "now": now.wall})
    detail = {"until": until, "retry": head.retries + 1} | ({} if retry.hold else {"aside": True})
    what = {"lane": head.lane_id, "message": head.message_id, "cause": Cause.PROVIDER_COOLING, "detail": detail}
    record(tx, EventType.POSTPONED, now, **what, actor="lanes")


def recall(tx: Transaction, now: Now, *, by: str) -> int:
    """Put messages that let others pass back to their places, once their wait is over; returns how many."""
    due = tx.rows(f"{again.RECALLABLE} LIMIT {PAGE:d}", {"now": now.wall})
    for message, lane in due:
        tx.run(again.RECALL, {"message": message})
        tx.run(sql.RESET_HEAD, {"lane": lane, "now": now.wall})
        record(tx, EventType.RECALLED, now, lane=lane, message=message, actor=by)
    return len(due)


def move_to_front(tx: Transaction, message: int, now: Now, *, actor: str) -> MessageState | None:
    """Let a waiting message start before all others of its lane, also before what runs there, should that come back.

    Returns its state: only a ``queued`` message is moved. Returns None if there is no such message.
    """
    met = payload(tx, message)
    if met is None:
        return None
    lane, state = met.lane, MessageState.read(met.state)
    if state is not MessageState.QUEUED:
        return state
    front = min(rank for (rank,) in tx.rows(again.RANKS, {"lane": lane})) - 1
    tx.run(again.MOVE_MESSAGE, {"message": message, "to": front})
    tx.run(sql.RESET_HEAD, {"lane": lane, "now": now.wall})
    record(tx, EventType.MOVED, now, lane=lane, message=message, actor=actor, detail={"to": "front"})
    return state


def expire_waiting(tx: Transaction, now: Now) -> int:
    """End waiting messages as ``failed`` (``expired``) whose time is over; returns how many."""
    due = tx.rows(f"{guarding.EXPIRED} LIMIT {PAGE:d}", {"now": now.wall})
    for message, accepted_at, expires_at in due:
        waited, limit = now.wall - accepted_at, expires_at - accepted_at
        said = f"it waited for {waited / 1000:g} s, longer than its max_wait of {limit / 1000:g} s"
        failure = RunFailure(Cause.EXPIRED, said, budget_ms=limit, elapsed_ms=waited)
        end_waiting(tx, message, MessageState.FAILED, failure, now, actor="lanes")
    return len(due)
