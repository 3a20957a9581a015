"""Asking the sender, and taking what was said: the doors of an open run."""

import json
from typing import Any, NamedTuple

from lanes_storage.clock import Now
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType, MessageState
from lanes_storage.reads.shapes import to_question
from lanes_storage.records import HandedText, NewQuestion, RunQuestion, Ticket
from lanes_storage.statements import RESET_HEAD
from lanes_storage.statements import questions as sql

#: What a run shows as its progress while it waits, and afterwards.
WAITS, HAS_ANSWER, HAS_NONE = "waiting for input", "answered", "not answered"


class _Taking(NamedTuple):
    """A run that takes something."""

    ticket: Ticket
    lane: int
    message: int
    question: RunQuestion | None


def ask(tx: Transaction, ticket: Ticket, new: NewQuestion, now: Now, *, by: str) -> RunQuestion | None:
    """Store what a run asks the sender of its message. While it waits, at most until the limit of the question, neither
    its ``run_timeout`` nor its ``stall_timeout`` passes.

    Returns None if the run has lost its lane, is to be aborted, or asks something already.
    """
    rows = tx.rows(sql.ASKING_RUN, {"run": ticket.run_id, "epoch": ticket.epoch})
    if not rows:
        return None
    lane, message, actor, sender = rows[0]
    question = RunQuestion(*new, actor, sender, now.wall, now.boot, now.slept)
    progress = {"progress": WAITS, "now": now.wall, "boot": now.boot, "slept": now.slept}
    stored = json.dumps(question._asdict())
    tx.run(sql.ASK, progress | {"run": ticket.run_id, "question": stored, "busy_until": now.boot + new.limit_ms})
    detail: dict[str, Any] = {"question": new.id, "text": new.text, "limit_ms": new.limit_ms}
    detail |= {"options": new.options} if new.options else {}
    detail |= {"permission": True} if new.permission else {}
    _told(tx, EventType.ASKED, _Taking(ticket, lane, message, None), now, by, detail)
    return question


def take_answer(tx: Transaction, ticket: Ticket, question: str, now: Now, *, by: str) -> HandedText | None:
    """The run takes the answer to its open question: the message that gave it is done, and the question is closed.

    Returns None if there is no answer yet, or the run may not take it any more.
    """
    taking = _taking(tx, ticket)
    if taking is None or taking.question is None or taking.question.id != question:
        return None
    rows = tx.rows(sql.ANSWERING_MESSAGE, {"message": taking.question.answer})
    if not rows:
        return None
    taken = HandedText(*rows[0])
    answer = taking.question.chosen(taken.text) or taken.text
    _end_question(tx, taking, HAS_ANSWER, now)
    _hand_over(tx, taking, taken, EventType.ANSWERED, now, by, {"question": question, "answered_by": taken.actor})
    return taken._replace(text=answer)


def close_question(tx: Transaction, ticket: Ticket, question: str, now: Now, *, by: str, why: str) -> HandedText | None:
    """The run waits no longer for an answer. If one has arrived meanwhile, it is taken and returned."""
    taken = take_answer(tx, ticket, question, now, by=by)
    if taken is not None:
        return taken
    taking = _taking(tx, ticket)
    if taking is not None and taking.question is not None and taking.question.id == question:
        _end_question(tx, taking, HAS_NONE, now)
        _told(tx, EventType.UNANSWERED, taking, now, by, {"question": question, "why": why})
    return None


def take_steer(tx: Transaction, ticket: Ticket, now: Now, *, by: str) -> HandedText | None:
    """The run takes the oldest text that is meant for it, other than an answer: its message is done.

    Returns None if there is none, or the run may not take it any more.
    """
    taking = _taking(tx, ticket)
    if taking is None:
        return None
    answer = taking.question.answer if taking.question is not None else None
    rows = tx.rows(f"{sql.OLDEST_MEANT} LIMIT 1", {"run": ticket.run_id, "answer": answer or 0})
    if not rows:
        return None
    taken = HandedText(*rows[0])
    _hand_over(tx, taking, taken, EventType.STEERED, now, by, {"steered_by": taken.actor})
    return taken


def _taking(tx: Transaction, ticket: Ticket) -> _Taking | None:
    for lane, message, question in tx.rows(sql.TAKING_RUN, {"run": ticket.run_id, "epoch": ticket.epoch}):
        return _Taking(ticket, lane, message, to_question(question))
    return None


def _end_question(tx: Transaction, taking: _Taking, progress: str, now: Now) -> None:
    assert taking.question is not None
    values = {"progress": progress, "now": now.wall, "boot": now.boot, "slept": now.slept}
    tx.run(sql.END_QUESTION, values | {"run": taking.ticket.run_id, "waited": taking.question.waited_ms(now)})


def _hand_over(
    tx: Transaction, taking: _Taking, taken: HandedText, type_: EventType, now: Now, by: str, detail: dict[str, Any]
) -> None:
    """The message is done, in the transaction in which the run takes it."""
    run, message = taking.ticket.run_id, taken.message_id
    tx.run(sql.HAND_OVER, {"message": message, "run": run, "answered_by": taking.message, "now": now.wall})
    tx.run(RESET_HEAD, {"lane": taking.lane, "now": now.wall})
    states = {"from_state": str(MessageState.QUEUED), "to_state": str(MessageState.DONE)}
    _told(tx, type_, taking._replace(message=message), now, by, detail, **states)


def _told(
    tx: Transaction, type_: EventType, taking: _Taking, now: Now, by: str, detail: dict[str, Any], **states: str
) -> None:
    of_run = {"lane": taking.lane, "run": taking.ticket.run_id, "message": taking.message, "epoch": taking.ticket.epoch}
    record(tx, type_, now, **of_run, **states, actor=by, detail=detail)
