"""The claim: how a released lane comes to be held."""

import json
from collections.abc import Sequence

from lanes_storage import statements as sql
from lanes_storage.doors.endings import end_waiting
from lanes_storage.doors.journal import next_epochs, record
from lanes_storage.interface import Row, Transaction
from lanes_storage.law import MAX_BATCH, MAX_INTERRUPTIONS, Cause, EventType, LaneState, MessageState, RunnerKind
from lanes_storage.moment import Now
from lanes_storage.reads import get_message
from lanes_storage.records import Claimed, Failure, Head, Message, Terms, Ticket, Waiting


def candidates(
    tx: Transaction, owner: int, now: Now, *, after: int = 0, limit: int = 64, bound_only: bool = False
) -> list[Head]:
    """Heads of lanes that nothing in the database keeps from being claimed by ``owner``.

    The longest wait first, from the head behind ``after`` on. ``bound_only``: those bound to it, and no others.
    """
    statement = sql.BOUND_CANDIDATES if bound_only else sql.CANDIDATES
    rows = tx.rows(f"{statement} LIMIT {limit:d}", {"after": after, "owner": owner, "now": now.wall})
    return [_to_head(row) for row in rows]


def candidates_among(tx: Transaction, owner: int, now: Now, heads: Sequence[int]) -> list[Head]:
    """Those of these heads that ``owner`` might claim now, the longest wait first."""
    params = {"heads": json.dumps([*heads]), "after": 0, "owner": owner, "now": now.wall}
    return [_to_head(row) for row in tx.rows(sql.CHOSEN_CANDIDATES, params)]


def _to_head(row: Row) -> Head:
    return Head(row[0], row[1], LaneState.read(row[2]), *row[3:])


def suspects_running(tx: Transaction) -> int:
    """How many held lanes run a message that was interrupted almost too often."""
    return int(tx.rows(sql.COUNT_SUSPECTS, {"suspect": MAX_INTERRUPTIONS - 1})[0][0])


def collectable(tx: Transaction, head: Head) -> list[Waiting]:
    """The messages that would be answered together with ``head``, itself the first.

    Those that it was claimed with before; else the texts that follow it without a gap, for the same runner. One that
    was cut runs by itself: if it takes its gateway down, it takes no other message with it.
    """
    rows = tx.rows(f"{sql.COLLECTABLE} LIMIT {MAX_BATCH}", {"lane": head.lane_id})
    waiting = [Waiting(*row) for row in rows]
    first = waiting[0]
    members = [first]
    for message in waiting[1:]:
        together = message.batch == first.batch if first.batch is not None else _alike(first, message)
        if not together:
            break
        members.append(message)
    return members


def _alike(first: Waiting, message: Waiting) -> bool:
    plain = all(m.text is not None and m.bound_to is None and m.batch is None for m in (first, message))
    return plain and first.runner == message.runner and not first.interruptions


def claim(
    tx: Transaction,
    head: Head,
    owner: int,
    runner: str,
    kind: RunnerKind,
    terms: Terms,
    now: Now,
    *,
    members: Sequence[int] = (),
) -> Claimed | None:
    """Take the lane for ``head`` under a new epoch, and for ``members`` with it, of which it is the first.

    None: the lane is no longer as ``head`` was read (held, paused, or another head).
    """
    run, taken = next(next_epochs(tx, 1)), tuple(members) or (head.message_id,)
    last = taken[-1]
    where = {"lane": head.lane_id, "head": head.message_id, "last": last, "run": run, "now": now.wall}
    if tx.run(sql.CLAIM_LANE, where) != 1:
        return None
    if head.paused_before:
        tx.run(sql.END_PAUSES, {"lane": head.lane_id})
    tx.run(
        sql.MAKE_RUN,
        terms._asdict()
        | where
        | {"message": last, "owner": owner, "runner": runner, "kind": kind, "boot": now.boot, "boot_id": now.boot_id}
        | {"slept": now.slept},
    )
    batch = last if len(taken) > 1 else None
    for message in taken:
        start = {"run": run, "message": message, "batch": batch, "parked_since": head.parked_since, "now": now.wall}
        tx.run(sql.START_MESSAGE, start)
    record(
        tx,
        EventType.CLAIM,
        now,
        lane=head.lane_id,
        from_state=head.state,
        to_state=LaneState.RUNNING,
        run=run,
        message=last,
        epoch=run,
        actor=f"owner:{owner}",
        detail={"members": [*taken]} if batch is not None else None,
    )
    return Claimed(Ticket(run, run), _to_answer(tx, last, batch), terms, taken)


def _to_answer(tx: Transaction, last: int, batch: int | None) -> Message:
    """The message as its runner sees it: a collected one with the texts of all, a blank line between them."""
    message = get_message(tx, last)
    assert message is not None
    if batch is None:
        return message
    texts = [text for _, text in tx.rows(sql.BATCH, {"batch": batch, "state": MessageState.RUNNING})]
    return message._replace(text="\n\n".join(texts))


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
