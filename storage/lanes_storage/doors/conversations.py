"""Conversations: beginning and importing them, and the input of a run while it works (questions, answers, steers).

Answers and steers are waiting messages that name the open run (``for_run``). The run takes them one by one, each in one
transaction that its ticket guards: then the message is ``done``, answered by the message of the run. Messages that the
run has not taken when it ends continue to wait as ordinary messages.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from lanes_storage.clock import Now
from lanes_storage.doors.pauses import Control, find
from lanes_storage.doors.shared import end_waiting, find_message, record
from lanes_storage.interface import Bindings, Transaction
from lanes_storage.law import TURNS_OF_A_MESSAGE, Cause, EventType, MessageState, TurnState, turn_of
from lanes_storage.reads.shapes import to_question
from lanes_storage.records import HandedText, NewQuestion, RunFailure, RunQuestion, Ticket
from lanes_storage.statements import RESET_HEAD, further


class ImportedTurn(NamedTuple):
    """A turn of a conversation that took place elsewhere. ``messages``: as for ``RunResult``."""

    text: str
    reply: str | None
    messages: str | None = None


def begin_conversation(
    tx: Transaction, lane: int, now: Now, *, actor: str, turns: Sequence[ImportedTurn] = ()
) -> int | None:
    """Begin a new conversation in a lane, with these turns; returns its number. The earlier ones stay readable.

    Returns None if the lane is held: a run belongs to the conversation in which it began.
    """
    begun = tx.rows(further.NEW_CONVERSATION, {"lane": lane, "now": now.wall})
    if not begun:
        return None
    ((number, last),) = begun
    detail: dict[str, int] = {"number": number}
    if turns:
        detail["imported"] = len(turns)
        _enter(tx, lane, number, last, turns, now)
    record(tx, EventType.CONVERSATION, now, lane=lane, actor=actor, detail=detail)
    return int(number)


def _enter(
    tx: Transaction, lane: int, number: int, before: int | None, turns: Sequence[ImportedTurn], now: Now
) -> None:
    """Write imported turns, with ids between the turn of the last message of the database and that of the next one."""
    ((message,),) = tx.rows(further.LAST_MESSAGE, {})
    end = turn_of(message + 1)
    ((last,),) = tx.rows(further.LAST_TURN_SINCE, {"first": turn_of(message)})
    first = (turn_of(message) if last is None else last) + 1
    assert first + len(turns) <= end, f"between two messages there is room for {TURNS_OF_A_MESSAGE} turns"
    rows: list[Bindings] = []
    for place, (text, reply, messages) in enumerate(turns, first):
        state = str(TurnState.DONE if reply is not None else TurnState.ABORTED)
        rows.append((place, lane, number, before, None, text, reply, messages, state, None, now.wall))
        before = place
    tx.many(further.MAKE_TURN, rows)
    tx.run(further.NEW_LAST_TURN, {"turn": before, "lane": lane})


def new_conversation(
    tx: Transaction,
    key: str,
    now: Now,
    *,
    actor: str,
    bound_epoch: int | None = None,
    turns: Sequence[ImportedTurn] | None = None,
) -> Control:
    """A person begins a new conversation in a lane. With ``turns``, these are imported, and a missing lane is created.
    Not applied to a lane that is held.

    ``bound_epoch``: the epoch that the lane must have; None allows any.
    """
    lane, result = find(tx, key, bound_epoch)
    if turns is not None and result.state is None:
        tx.run(further.MAKE_SESSION_LANE, {"key": key, "parent": None, "now": now.wall})
        lane, result = find(tx, key, bound_epoch)
    if lane is None or begin_conversation(tx, lane, now, actor=actor, turns=turns or ()) is None:
        return result
    return result._replace(applied=True)


def tell_from(tx: Transaction, ticket: Ticket, turn: int) -> bool:
    """From now on, send no turn before ``turn`` to a model, because more does not fit. Returns False if the run has
    lost its lane."""
    return tx.run(further.TELL_FROM, {"run": ticket.run_id, "epoch": ticket.epoch, "turn": turn}) == 1


# ------------------------------------------------------------------------------- questions and steers

#: The progress of a run while it waits for an answer, and afterwards.
WAITS, HAS_ANSWER, HAS_NONE = "waiting for input", "answered", "not answered"


class _InputRun(NamedTuple):
    """A run that asks, or takes a message. ``actor`` and ``sender`` are those of the message that it answers."""

    ticket: Ticket
    lane: int
    message: int
    question: RunQuestion | None
    actor: str
    sender: str | None


def ask(tx: Transaction, ticket: Ticket, new: NewQuestion, now: Now, *, by: str) -> RunQuestion | None:
    """Store what a run asks the sender of its message. While it waits, at most until the limit of the question, neither
    its ``run_timeout`` nor its ``stall_timeout`` passes.

    Returns None if the run has lost its lane, is to be aborted, or asks something already.
    """
    input_run = _input_run(tx, ticket)
    if input_run is None or input_run.question is not None:
        return None
    question = RunQuestion(*new, input_run.actor, input_run.sender, now.wall, now.boot, now.slept)
    values = {"question": json.dumps(question._asdict()), "busy_until": now.boot + new.limit_ms, "progress": WAITS}
    tx.run(further.ASK, now.params | values | {"run": ticket.run_id})
    detail: dict[str, Any] = {"question": new.id, "text": new.text, "limit_ms": new.limit_ms}
    detail |= {"options": new.options} if new.options else {}
    detail |= {"permission": True} if new.permission else {}
    _record(tx, EventType.ASKED, input_run, now, by, detail)
    return question


def take_answer(tx: Transaction, ticket: Ticket, question: str, now: Now, *, by: str) -> HandedText | None:
    """The run takes the answer to its open question: the message that gave it is done, and the question is closed.

    Returns None if there is no answer yet, or the run may not take it any more.
    """
    input_run = _input_run(tx, ticket)
    if input_run is None or input_run.question is None or input_run.question.id != question:
        return None
    handed = _answer(tx, input_run.question)
    if handed is None:
        return None
    answer = input_run.question.chosen(handed.text) or handed.text
    _end_question(tx, input_run, HAS_ANSWER, now)
    _hand_over(tx, input_run, handed, EventType.ANSWERED, now, by, {"question": question, "answered_by": handed.actor})
    return handed._replace(text=answer)


def close_question(
    tx: Transaction, ticket: Ticket, question: str, now: Now, *, by: str, reason: str
) -> HandedText | None:
    """Close the question of a run that no longer waits. An answer that has arrived meanwhile is taken and returned."""
    handed = take_answer(tx, ticket, question, now, by=by)
    if handed is not None:
        return handed
    input_run = _input_run(tx, ticket)
    if input_run is not None and input_run.question is not None and input_run.question.id == question:
        _end_question(tx, input_run, HAS_NONE, now)
        _record(tx, EventType.UNANSWERED, input_run, now, by, {"question": question, "why": reason})
    return None


def take_steer(tx: Transaction, ticket: Ticket, now: Now, *, by: str) -> HandedText | None:
    """The run takes the oldest text that is meant for it, other than an answer: its message is done.

    Returns None if there is none, or the run may not take it any more.
    """
    input_run = _input_run(tx, ticket)
    if input_run is None:
        return None
    answer = input_run.question.answer if input_run.question is not None else None
    rows = tx.rows(f"{further.OLDEST_INPUT} LIMIT 1", {"run": ticket.run_id, "answer": answer or 0})
    if not rows:
        return None
    handed = HandedText(*rows[0])
    _hand_over(tx, input_run, handed, EventType.STEERED, now, by, {"steered_by": handed.actor})
    return handed


def _input_run(tx: Transaction, ticket: Ticket) -> _InputRun | None:
    for lane, message, question, *senders in tx.rows(further.INPUT_RUN, ticket._asdict()):
        return _InputRun(ticket, lane, message, to_question(question), *senders)
    return None


def _answer(tx: Transaction, question: RunQuestion) -> HandedText | None:
    """The message that answers a question. As long as the question names it, it is waiting."""
    found = None if question.answer is None else find_message(tx, question.answer)
    return None if found is None else HandedText(found.id, found.text or "", found.actor, found.sender)


def _end_question(tx: Transaction, input_run: _InputRun, progress: str, now: Now) -> None:
    assert input_run.question is not None
    values = {"run": input_run.ticket.run_id, "waited": input_run.question.waited_ms(now), "progress": progress}
    tx.run(further.END_QUESTION, now.params | values)


def _hand_over(
    tx: Transaction,
    input_run: _InputRun,
    handed: HandedText,
    type_: EventType,
    now: Now,
    by: str,
    detail: dict[str, Any],
) -> None:
    """The message is done, in the transaction in which the run takes it."""
    run, message = input_run.ticket.run_id, handed.message_id
    tx.run(further.HAND_OVER, {"message": message, "run": run, "answered_by": input_run.message, "now": now.wall})
    tx.run(RESET_HEAD, {"lane": input_run.lane, "now": now.wall})
    states = {"from_state": str(MessageState.QUEUED), "to_state": str(MessageState.DONE)}
    _record(tx, type_, input_run._replace(message=message), now, by, detail, **states)


def _record(
    tx: Transaction, type_: EventType, input_run: _InputRun, now: Now, by: str, detail: dict[str, Any], **states: str
) -> None:
    of_run = {
        "lane": input_run.lane,
        "run": input_run.ticket.run_id,
        "message": input_run.message,
        "epoch": input_run.ticket.epoch,
    }
    record(tx, type_, now, **of_run, **states, actor=by, detail=detail)


def give_back(tx: Transaction, run: int, stored: str | None, now: Now) -> None:
    """After a run has ended, let the messages that were meant for it wait as others do. ``stored``: its open question.

    An answer gets the text of its question, because on its own it could be understood as something else. The answer to
    a request for a permission is dropped: it must not permit anything else.
    """
    question = to_question(stored)
    if question is not None and (answer := _answer(tx, question)) is not None:
        if question.permission:
            failure = RunFailure(Cause.NO_ANSWER, f"the run that asked “{question.text}” has ended")
            end_waiting(tx, answer.message_id, MessageState.DROPPED, failure, now, actor="lanes")
        else:
            text = f"(to the question “{question.text}”) {answer.text}"
            tx.run(further.REWORD, {"message": answer.message_id, "text": text})
    tx.run(further.GIVE_ALL_BACK, {"run": run})
