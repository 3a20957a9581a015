"""The claim: how a released lane comes to be held."""

from dataclasses import asdict

from lanes_storage import statements as sql
from lanes_storage.doors.endings import end_waiting
from lanes_storage.doors.journal import next_epoch, record
from lanes_storage.interface import Transaction
from lanes_storage.law import MAX_INTERRUPTIONS, Cause, EventType, LaneState, MessageState, RunnerKind
from lanes_storage.moment import Now
from lanes_storage.reads import get_message
from lanes_storage.records import Claimed, Failure, Head, Terms, Ticket


def candidates(
    tx: Transaction, owner: int, now: Now, *, after: int = 0, limit: int = 64, bound_only: bool = False
) -> list[Head]:
    """Heads of lanes that nothing in the database keeps from being claimed by ``owner``.

    The longest wait first, from the head behind ``after`` on. ``bound_only``: those bound to it, and no others.
    """
    statement = sql.BOUND_CANDIDATES if bound_only else sql.CANDIDATES
    rows = tx.rows(statement, {"after": after, "owner": owner, "now": now.wall, "limit": limit})
    return [Head(row[0], row[1], LaneState(row[2]), *row[3:]) for row in rows]


def suspects_running(tx: Transaction) -> int:
    """How many held lanes run a message that was interrupted almost too often."""
    return int(tx.rows(sql.COUNT_SUSPECTS, {"suspect": MAX_INTERRUPTIONS - 1})[0][0])


def claim(
    tx: Transaction, head: Head, owner: int, runner: str, kind: RunnerKind, terms: Terms, now: Now
) -> Claimed | None:
    """Take the lane for ``head`` under a new epoch.

    None: the lane is no longer as ``head`` was read (held, paused, or another head).
    """
    run = next_epoch(tx)
    where = {"lane": head.lane_id, "message": head.message_id, "run": run, "now": now.wall}
    if tx.run(sql.CLAIM_LANE, where) != 1:
        return None
    tx.run(
        sql.MAKE_RUN,
        asdict(terms)
        | where
        | {"owner": owner, "runner": runner, "kind": kind, "boot": now.boot, "boot_id": now.boot_id},
    )
    tx.run(sql.START_MESSAGE, where)
    record(
        tx,
        EventType.CLAIM,
        now,
        lane=head.lane_id,
        from_state=head.state,
        to_state=LaneState.RUNNING,
        run=run,
        message=head.message_id,
        epoch=run,
        actor=f"owner:{owner}",
    )
    message = get_message(tx, head.message_id)
    assert message is not None
    return Claimed(Ticket(run, run), message, terms)


def postpone(tx: Transaction, head: Head, until: int, max_park_ms: int, now: Now) -> MessageState:
    """Let an unclaimed head wait for a provider until ``until`` (wall time).

    A head that has waited ``max_park_ms`` over all its parks, or would have to, ends ``failed`` instead.
    Returns the state that the message is in afterwards.
    """
    since = now.wall if head.parked_since is None else head.parked_since
    if until > since + max_park_ms:
        failure = Failure(Cause.PROVIDER_COOLING, "no provider became available in time")
        end_waiting(tx, head.message_id, MessageState.FAILED, failure, now, actor="lanes")
        return MessageState.FAILED
    tx.run(sql.POSTPONE_MESSAGE, {"message": head.message_id, "until": until, "now": now.wall})
    record(
        tx,
        EventType.POSTPONED,
        now,
        lane=head.lane_id,
        message=head.message_id,
        actor="lanes",
        cause=Cause.PROVIDER_COOLING,
        detail={"until": until},
    )
    return MessageState.QUEUED
