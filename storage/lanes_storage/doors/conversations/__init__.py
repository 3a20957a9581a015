"""Conversations: a new one begins, one is imported, and what a model is no longer told."""

from collections.abc import Sequence
from typing import NamedTuple

from lanes_storage.clock import Now
from lanes_storage.doors.pauses import Control, find
from lanes_storage.doors.shared.journal import record
from lanes_storage.interface import Given, Transaction
from lanes_storage.law import TURNS_OF_A_MESSAGE, EventType, TurnState, turn_of
from lanes_storage.records import Ticket
from lanes_storage.statements import children
from lanes_storage.statements import conversations as sql


class ImportedTurn(NamedTuple):
    """A turn of a conversation that took place elsewhere. ``messages``: as for ``RunResult``."""

    text: str
    reply: str | None
    messages: str | None = None


def begin_conversation(
    tx: Transaction, lane: int, now: Now, *, actor: str, turns: Sequence[ImportedTurn] = ()
) -> int | None:
    """Begin a new conversation in a lane, with these turns; returns its number. The earlier ones stay readable.

    Returns None if the lane is held: what runs belongs to the conversation in which it began.
    """
    begun = tx.rows(sql.NEW_CONVERSATION, {"lane": lane, "now": now.wall})
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
    """Write imported turns, after those of the last message of the database and before those of the next one."""
    ((message,),) = tx.rows(sql.LAST_MESSAGE, {})
    end = turn_of(message + 1)
    ((last,),) = tx.rows(sql.LAST_TURN_SINCE, {"first": turn_of(message)})
    first = (turn_of(message) if last is None else last) + 1
    assert first + len(turns) <= end, f"between two messages there is room for {TURNS_OF_A_MESSAGE} turns"
    rows: list[Given] = []
    for place, (text, reply, messages) in enumerate(turns, first):
        state = str(TurnState.DONE if reply is not None else TurnState.ABORTED)
        rows.append((place, lane, number, before, None, text, reply, messages, state, None, now.wall))
        before = place
    tx.many(sql.MAKE_TURN, rows)
    tx.run(sql.NEW_LAST_TURN, {"turn": before, "lane": lane})


def new_conversation(
    tx: Transaction,
    key: str,
    now: Now,
    *,
    actor: str,
    meant: int | None = None,
    turns: Sequence[ImportedTurn] | None = None,
) -> Control:
    """A person begins a new conversation in a lane; with ``turns``, those are imported, and a lane that is not there is
    made. Not applied to a lane that is held.

    ``meant``: the epoch that the lane must have; None allows any.
    """
    lane, met = find(tx, key, meant)
    if turns is not None and met.state is None:
        tx.run(children.MAKE, {"key": key, "parent": None, "now": now.wall})
        lane, met = find(tx, key, meant)
    if lane is None or begin_conversation(tx, lane, now, actor=actor, turns=turns or ()) is None:
        return met
    return met._replace(applied=True)


def tell_from(tx: Transaction, ticket: Ticket, turn: int) -> bool:
    """From now on a model is told nothing before that turn: it can not read more. Returns False if the run has lost
    its lane."""
    return tx.run(sql.TELL_FROM, {"run": ticket.run_id, "epoch": ticket.epoch, "turn": turn}) == 1
