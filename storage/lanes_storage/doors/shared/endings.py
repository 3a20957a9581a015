"""How a message ends: the only code that writes it, with the notice for a message that did not end ``done``."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.journal import event, record, write_events
from lanes_storage.doors.shared.notices import NOTED, next_step
from lanes_storage.doors.shared.turns import keep_unanswered
from lanes_storage.interface import Given, Transaction
from lanes_storage.law import EventType, MessageState
from lanes_storage.records import ProviderAttempt, RunFailure, RunResult
from lanes_storage.statements import questions


class Ending(NamedTuple):
    """A message that reaches a terminal state, with its reply or its error.

    ``answered_by``: the message whose reply answers this one too.
    """

    message: int
    lane: int
    run: int | None
    bound: bool
    state: MessageState
    interruptions: int
    now: Now
    answer: RunResult | None = None
    failure: RunFailure | None = None
    answered_by: int | None = None


def finish(tx: Transaction, endings: Sequence[Ending]) -> None:
    """Write how messages end (skipping those that have already ended), and a notice for each that did not end
    ``done``."""
    tx.many(sql.FINISH_MESSAGE, [_row(ending) for ending in endings])
    write_events(tx, [_notice(ending) for ending in endings if ending.state in NOTED])


def _row(ending: Ending) -> Given:
    answer, failure = ending.answer, ending.failure
    attempts = attempts_json(answer.attempts if answer else failure.attempts if failure else ())
    reply = (answer.text, answer.detail) if answer else (None, None)
    error = (failure.cause, failure.message) if failure else (None, None)
    end = (ending.interruptions, ending.answered_by, ending.now.wall, ending.message)
    return str(ending.state), *reply, *error, attempts, *end


def _notice(ending: Ending) -> Given:
    message, lane, run, bound, state, _, now, _, failure, _ = ending
    cause = None if failure is None else failure.cause
    detail = {"state": state, "next": next_step(message, state, cause, bound=bound)}
    if failure is not None:
        detail["message"] = failure.message
    return event(EventType.NOTICE, now, lane=lane, run=run, message=message, actor="lanes", cause=cause, detail=detail)


def attempts_json(attempts: tuple[ProviderAttempt, ...]) -> str | None:
    """The provider chain as it is stored."""
    chain = [{name: value for name, value in attempt._asdict().items() if value is not None} for attempt in attempts]
    return json.dumps(chain) if chain else None


class Payload(NamedTuple):
    """A message as ``statements.PAYLOAD`` reads it."""

    lane: int
    state: str
    text: str | None
    request: str | None
    runner: str | None
    started_at: int | None
    interruptions: int
    bound_to: str | None
    run: int | None
    batch: int | None
    for_run: int | None


def payload(tx: Transaction, message: int) -> Payload | None:
    """A message, or None if there is none with this id."""
    rows = tx.rows(sql.PAYLOAD, {"message": message})
    return Payload(*rows[0]) if rows else None


def end_waiting(
    tx: Transaction,
    message: int,
    state: MessageState,
    failure: RunFailure,
    now: Now,
    *,
    actor: str,
    reason: str | None = None,
) -> bool:
    """End a waiting message without a run; the journal keeps its content. Returns False if it was not waiting."""
    met = payload(tx, message)
    if met is None or met.state != MessageState.QUEUED:
        return False
    if met.for_run is not None:  # it is not meant for that run any more; a question that it answered waits for another
        tx.run(questions.FORGET_ANSWER, {"run": met.for_run, "message": message})
        tx.run(questions.GIVE_BACK, {"message": message})
    content = {"text": met.text, "request": met.request, "runner": met.runner, "reason": reason}
    detail = {name: value for name, value in content.items() if value is not None}
    change = {"lane": met.lane, "from_state": met.state, "to_state": state, "message": message}
    record(tx, EventType.ENDED, now, **change, actor=actor, cause=failure.cause, detail=detail)
    bound = met.bound_to is not None
    finish(tx, [Ending(message, met.lane, met.run, bound, state, met.interruptions, now, failure=failure)])
    keep_unanswered(tx, message, state, failure.cause, now)
    tx.run(sql.RESET_HEAD, {"lane": met.lane, "now": now.wall})
    return True


def batch_members(tx: Transaction, batch: int, state: MessageState) -> dict[int, str]:
    """The messages of a batch that are in the given state, in their order, with their texts."""
    return {int(row[0]): str(row[1]) for row in tx.rows(sql.BATCH, {"batch": batch, "state": state})}
