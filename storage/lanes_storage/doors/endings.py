"""How a message ends, or goes back to its place: the one place that writes it."""

import json

from lanes_storage import statements as sql
from lanes_storage.doors.journal import record
from lanes_storage.doors.notices import NOTED, notice
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType, MessageState
from lanes_storage.moment import Now
from lanes_storage.records import Answer, Attempt, Failure


def attempts_json(attempts: tuple[Attempt, ...]) -> str | None:
    """The provider chain as it is stored."""
    return json.dumps([attempt._asdict() for attempt in attempts]) if attempts else None


def finish(
    tx: Transaction,
    message: int,
    state: MessageState,
    now: Now,
    *,
    interruptions: int,
    answer: Answer | None = None,
    failure: Failure | None = None,
    answered_by: int | None = None,
) -> None:
    """Bring a message to a terminal state, with its reply or its error, and its notice where it did not end well.

    ``answered_by``: the message whose reply answers this one too.
    One that has ended before stays as it is, without another notice.
    """
    attempts = answer.attempts if answer else failure.attempts if failure else ()
    ended = tx.run(
        sql.FINISH_MESSAGE,
        {
            "message": message,
            "state": state,
            "reply": answer.text if answer else None,
            "reply_detail": answer.detail if answer else None,
            "error_cause": failure.cause if failure else None,
            "error_message": failure.message if failure else None,
            "attempts": attempts_json(attempts),
            "interruptions": interruptions,
            "answered_by": answered_by,
            "now": now.wall,
        },
    )
    if not ended or state not in NOTED:
        return
    lane, run, bound_to = tx.rows(sql.NOTICED_MESSAGE, {"message": message})[0]
    notice(tx, now, lane=lane, message=message, run=run, state=state, failure=failure, bound=bound_to is not None)


def end_waiting(
    tx: Transaction,
    message: int,
    state: MessageState,
    failure: Failure,
    now: Now,
    *,
    actor: str,
    reason: str | None = None,
) -> bool:
    """End a waiting message without a run; the journal keeps its payload. False: it was not waiting."""
    row = tx.rows(sql.PAYLOAD, {"message": message})
    if not row or row[0][1] != MessageState.QUEUED:
        return False
    lane, before, text, request, runner, _, interruptions, *_ = row[0]
    payload = {"text": text, "request": request, "runner": runner, "reason": reason}
    record(
        tx,
        EventType.ENDED,
        now,
        lane=lane,
        from_state=before,
        to_state=state,
        message=message,
        actor=actor,
        cause=failure.cause,
        detail={name: value for name, value in payload.items() if value is not None},
    )
    finish(tx, message, state, now, interruptions=interruptions, failure=failure)
    tx.run(sql.RESET_HEAD, {"lane": lane, "now": now.wall})
    return True


def batch_members(tx: Transaction, batch: int, state: MessageState) -> list[int]:
    """The messages of a batch that are in that state, in their order."""
    return [message for message, _ in tx.rows(sql.BATCH, {"batch": batch, "state": state})]
