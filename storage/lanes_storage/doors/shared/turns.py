"""Writes the turns of conversations: what was said and answered, in the transaction in which its message ends."""

from collections.abc import Sequence
from typing import NamedTuple

from lanes_storage.clock import Now
from lanes_storage.interface import Given, Transaction
from lanes_storage.law import Cause, MessageState, turn_of
from lanes_storage.records import RunResult
from lanes_storage.statements import conversations as sql


class NewTurn(NamedTuple):
    """A turn to write. ``before``: the last turn of its lane."""

    message: int
    lane: int
    conversation: int
    before: int | None
    text: str
    state: MessageState
    now: Now
    answer: RunResult | None = None


def write_turns(tx: Transaction, turns: Sequence[NewTurn]) -> None:
    """Write turns, of a different lane each. The caller stores them as the last ones of their lanes."""
    tx.many(sql.MAKE_TURN, [_row(turn) for turn in turns])


def _row(turn: NewTurn) -> Given:
    message, lane, conversation, before, text, state, now, answer = turn
    said = (None, None, None) if answer is None else (answer.text, answer.messages, answer.tokens)
    reply, messages, tokens = said
    return turn_of(message), lane, conversation, before, message, text, reply, messages, str(state), tokens, now.wall


def keep_unanswered(tx: Transaction, message: int, state: MessageState, cause: Cause, now: Now) -> None:
    """Remember what a person said in a message that ends while it waits, unless it was withdrawn before it began: by a
    drop, or by an abort of the queue."""
    if state is MessageState.DROPPED:
        return
    for text, started_at, lane, conversation, last in tx.rows(sql.UNANSWERED, {"message": message}):
        if started_at is None and state is MessageState.ABORTED and cause is not Cause.INTERRUPTED_BY_NEWER:
            return
        write_turns(tx, [NewTurn(message, lane, conversation, last, text, state, now)])
        tx.run(sql.NEW_LAST_TURN, {"turn": turn_of(message), "lane": lane})
