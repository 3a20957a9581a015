"""Queries about messages, and about the turns of conversations."""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from lanes_storage import law
from lanes_storage.fragments import characters, columns, dead_letter, names, session_of, shown_key, unnamed
from lanes_storage.interface import FEW_ROWS, Query, Row
from lanes_storage.law import BoundTo, Cause, MessageState, Prunable, TurnState
from lanes_storage.reads.choices import messages_among
from lanes_storage.reads.shapes import many, one, optional, to_attempts
from lanes_storage.records import (
    ConversationRow,
    ConversationState,
    LaneFilter,
    LetterTallyRow,
    MessageRow,
    Old,
    RunFailure,
    Subject,
    TurnRow,
)
from lanes_storage.statements.upkeep import KINDS

MESSAGE_COLUMNS = f"""
m.id, m.lane_id, {shown_key("ml")}, m.state, m.text, m.request, m.runner, m.actor, m.bound_to, m.bound_owner, m.run_id,
CASE WHEN m.answered_by IS NULL THEN m.reply ELSE (SELECT a.reply FROM messages a WHERE a.id = m.answered_by) END,
CASE WHEN m.answered_by IS NULL THEN m.reply_detail ELSE
  (SELECT a.reply_detail FROM messages a WHERE a.id = m.answered_by) END,
m.error_cause, m.error_message, m.attempts, m.interruptions, m.parked_until, m.parked_since,
m.retry_of, m.retried_as, m.answered_by, m.batch, m.accepted_at, m.started_at, m.ended_at,
CASE WHEN m.state = 'queued' THEN
  (SELECT count(*) FROM messages q WHERE q.lane_id = m.lane_id AND q.state = 'queued' AND q.rank <= m.rank) END,
(SELECT mr.reply_so_far FROM runs mr WHERE mr.id = m.run_id), coalesce(m.retries, 0), m.expires_at
"""

SELECT = f"SELECT {MESSAGE_COLUMNS} FROM messages m JOIN lanes ml ON ml.id = m.lane_id"
MESSAGE = f"{SELECT} WHERE m.id = :id"
#: The approximate size of a message when it is read.
SIZE = f"({characters('s.text')} + {characters('s.request')} + {characters('s.reply')})"
ENDED_AMONG = f"""
SELECT {MESSAGE_COLUMNS} FROM json_each(:ids) j CROSS JOIN messages m ON m.id = j.value
JOIN lanes ml ON ml.id = m.lane_id WHERE m.ended_at IS NOT NULL
"""
NO_LIMIT = -1
T = TypeVar("T")
EVERY = LaneFilter(of=Subject.MESSAGE)
#: Larger than every message id.
LAST = 2**63 - 1


def _to_message(row: Row) -> MessageRow:
    """A message from MESSAGE_COLUMNS."""
    attempts = to_attempts(row[15])
    error = None if row[13] is None else RunFailure(Cause.read(row[13]), row[14] or "", attempts)
    before = [*row[:3], MessageState.read(row[3]), *row[4:8], optional(BoundTo.read, row[8]), *row[9:13]]
    return MessageRow._make([*before, error, *row[16:28], attempts, *row[28:]])


def message(message_id: int) -> Query[MessageRow | None]:
    """One message, or None."""
    return Query(MESSAGE, {"id": message_id}, one(_to_message), point=True)


def messages(
    lane_id: int,
    states: Sequence[MessageState] = (),
    limit: int | None = None,
    before: int | None = None,
    *,
    session: bool = False,
    within: int | None = None,
    chosen: LaneFilter = EVERY,
) -> Query[list[MessageRow]]:
    """Messages of a lane, newest first; ``before``: only messages that were accepted before that one.

    ``session``: also those of the other lanes of its session. ``within``: at most this many characters in total, but
    always the first message; ``chosen``: only those that this filter of messages chooses.
    """
    named = {f"state_{i}": state for i, state in enumerate(dict.fromkeys(states))}
    condition = f"c.lane_id IN ({session_of(':lane')})" if session else "c.lane_id = :lane"
    condition += f" AND c.state IN ({', '.join(':' + name for name in named)})" if named else ""
    condition += " AND c.id < :before" if before is not None else ""
    params: dict[str, object] = {"lane": lane_id, "before": before, **named}
    return _newest(condition, params, limit, within, chosen)


def _newest(
    condition: str,
    params: dict[str, object],
    limit: int | None,
    within: int | None,
    chosen: LaneFilter,
    offset: int = 0,
) -> Query[list[MessageRow]]:
    """The newest messages that meet a condition and match a filter."""
    most = NO_LIMIT if limit is None else limit
    choice = messages_among(chosen)
    params |= choice.params
    page = f"LIMIT {most:d} OFFSET {offset:d}"
    table = f"(SELECT c.* FROM messages c WHERE {condition}{choice.where} ORDER BY c.id DESC {page})"
    fits = ""
    if within is not None:
        order = "OVER (ORDER BY s.id DESC)"
        table = f"(SELECT s.*, row_number() {order} AS place, sum({SIZE}) {order} AS size FROM {table} s)"
        fits = "WHERE m.size <= :within OR m.place = 1"
    sql = f"SELECT {MESSAGE_COLUMNS} FROM {table} m JOIN lanes ml ON ml.id = m.lane_id {fits} ORDER BY m.id DESC"
    return Query(sql, params | {"within": within}, many(_to_message), broad=True)


def ended_among(ids: Sequence[int]) -> Query[list[MessageRow]]:
    """Those of these messages that have ended."""
    return Query(ENDED_AMONG, {"ids": json.dumps(list(ids))}, many(_to_message), point=len(ids) <= FEW_ROWS)


def dead_letters(
    limit: int | None = None,
    before: int | None = None,
    *,
    within: int | None = None,
    chosen: LaneFilter = EVERY,
    until: int | None = None,
    waiting: bool = False,
    offset: int = 0,
) -> Query[list[MessageRow]]:
    """Failed messages of all lanes, newest first; the other parameters are as for ``messages``.

    ``until``: only those that failed at this wall time or earlier; ``waiting``: only those that were not retried yet;
    ``offset``: how many of the newest are skipped.
    """
    condition = f"{_letters(until, waiting=waiting)} AND c.id < :before"
    return _newest(condition, {"before": before or LAST, "until": until}, limit, within, chosen, offset)


def _letters(until: int | None, *, waiting: bool) -> str:
    condition = dead_letter("c.")
    condition += " AND c.ended_at <= :until" if until is not None else ""
    return condition + (" AND c.retried_as IS NULL" if waiting else "")


def _over(
    chosen: LaneFilter, select: str, condition: str, shape: Callable[[list[Row]], T], tail: str = "", **params: object
) -> Query[T]:
    """A query over the messages ``c`` that meet a condition and that a filter chooses."""
    choice = messages_among(chosen)
    sql = f"SELECT {select} FROM messages c WHERE {condition}{choice.where} {tail}"
    return Query(sql, choice.params | params, shape, broad=True)


def letter_tally(
    chosen: LaneFilter, until: int | None = None, up_to: int = LAST, *, waiting: bool = False
) -> Query[LetterTallyRow]:
    """Counts over the chosen dead letters up to the id ``up_to``."""
    sums = f"count(*), count(c.retried_as), coalesce(sum(NOT ({unnamed('c.id')})), 0), min(c.id), max(c.id)"
    condition = f"{_letters(until, waiting=waiting)} AND c.id <= :up_to"
    return _over(chosen, sums, condition, lambda rows: LetterTallyRow(*rows[0]), until=until, up_to=up_to)


def letter_place(chosen: LaneFilter, letter: int, *, waiting: bool = False) -> Query[int]:
    """How many of the chosen dead letters are newer than this one."""
    return _over(chosen, "count(*)", f"{_letters(None, waiting=waiting)} AND c.id > :letter", _number, letter=letter)


def prunable(chosen: LaneFilter, until: int, after: int, limit: int, up_to: int = LAST) -> Query[list[int]]:
    """The ids of chosen dead letters after id ``after`` and up to ``up_to`` that failed by wall time ``until``, oldest
    first."""
    condition = f"{_letters(until, waiting=False)} AND c.id > :after AND c.id <= :up_to"
    page, ids = f"ORDER BY c.id LIMIT {limit:d}", {"after": after, "up_to": up_to}
    return _over(chosen, "c.id", condition, many(_id), page, until=until, **ids)


def message_count(chosen: LaneFilter, condition: str = "1 = 1") -> Query[int]:
    """How many messages meet a condition and are chosen by a filter."""
    return _over(chosen, "count(*)", condition, _number)


def message_ids(chosen: LaneFilter, condition: str = "1 = 1") -> Query[list[int]]:
    """The ids of the messages that meet a condition and that a filter chooses, the oldest first."""
    return _over(chosen, "c.id", condition, many(_id), "ORDER BY c.id")


def _number(rows: list[Row]) -> int:
    return int(rows[0][0])


def _id(row: Row) -> int:
    return int(row[0])


#: Waiting messages, and dead letters that were not retried yet and have an input: conditions for the two functions
#: above.
DROPPABLE = "c.state = 'queued'"
_ONCE = "c.retried_as IS NULL AND (c.text IS NOT NULL OR c.request IS NOT NULL)"
RETRIABLE = f"{dead_letter('c.')} AND {_ONCE}"
#: Includes aborted messages, for a filter that names them.
RETRIABLE_WHERE_NAMED = f"c.state IN ({names(law.RETRIABLE)}) AND NOT c.anonymous AND {_ONCE}"


# --------------------------------------------------------------------------------------- conversations

_COLUMNS = columns(TurnRow._fields, "t.")
_SIZE = " + ".join(characters(f"t.{column}") for column in ("text", "reply", "answer"))
#: The newest turns of the lane's conversation that may be sent to a model, as long as they have at most ``:within``
#: characters together. Each is found by its id. A turn whose message let others pass has a smaller id than those before
#: it in the chain.
RECALLED = f"""
WITH RECURSIVE chain(id, before, conversation, first, number, size) AS (
  SELECT t.id, t.before, t.conversation, coalesce(l.told_from, 0), 1, {_SIZE} FROM lanes l JOIN turns t
    ON t.id = l.last_turn
  WHERE l.id = :lane AND t.lane_id = l.id AND t.conversation = l.conversation
  UNION ALL
  SELECT t.id, t.before, c.conversation, c.first, c.number + 1, c.size + {_SIZE} FROM chain c CROSS JOIN turns t
    ON t.id = c.before
  WHERE t.lane_id = :lane AND t.conversation = c.conversation AND c.number < {{most:d}} AND c.size < :within
)
SELECT {_COLUMNS} FROM chain c CROSS JOIN turns t ON t.id = c.id
WHERE c.size <= :within AND c.id >= c.first AND t.state <> '{TurnState.RETRIED}'
"""
#: Each turn of a lane, the newest first, of every conversation.
_CHAIN = """
WITH RECURSIVE chain(id, before) AS (
  SELECT t.id, t.before FROM lanes l JOIN turns t ON t.id = l.last_turn WHERE l.id = :lane AND t.lane_id = l.id
  UNION ALL
  SELECT t.id, t.before FROM chain c CROSS JOIN turns t ON t.id = c.before WHERE t.lane_id = :lane
)
"""
CONVERSATIONS = f"""
{_CHAIN}
SELECT t.conversation, count(*), min(t.at), max(t.at) FROM chain c CROSS JOIN turns t ON t.id = c.id
GROUP BY t.conversation ORDER BY t.conversation
"""
CONVERSATION = f"""
{_CHAIN}
SELECT {_COLUMNS} FROM chain c CROSS JOIN turns t ON t.id = c.id
WHERE t.conversation = :number AND t.state <> '{TurnState.RETRIED}' ORDER BY t.id DESC LIMIT {{most:d}}
"""
OF_LANE = "SELECT id, conversation, coalesce(told_from, 0) FROM lanes WHERE key = :key"


def recalled(lane_id: int, most: int, within: int) -> Query[list[TurnRow]]:
    """The last turns of the lane's conversation that may be sent to a model, oldest first: at most ``most``, with at
    most ``within`` characters together."""
    params = {"lane": lane_id, "within": within}
    return Query(RECALLED.format(most=most), params, _to_turns, point=most <= FEW_ROWS)


def conversation_state(key: str) -> Query[ConversationState | None]:
    """The current conversation of a lane, or None if there is no such lane."""
    return Query(OF_LANE, {"key": key}, one(lambda row: ConversationState(*row)))


def conversations(lane_id: int) -> Query[list[ConversationRow]]:
    """The conversations of a lane of which turns are kept, oldest first."""
    return Query(CONVERSATIONS, {"lane": lane_id}, many(lambda row: ConversationRow(*row)), broad=True)


def conversation(lane_id: int, number: int, limit: int | None = None) -> Query[list[TurnRow]]:
    """The turns of one conversation, or the last ones of them, oldest first."""
    most = NO_LIMIT if limit is None else limit
    params = {"lane": lane_id, "number": number}
    return Query(CONVERSATION.format(most=most), params, _to_turns, broad=True)


def _to_turns(rows: list[Row]) -> list[TurnRow]:
    """The turns, oldest first. There are few of them, and a sort in SQL would build a temporary table."""
    ordered = sorted(rows, key=lambda row: int(row[0]))
    return [TurnRow._make([*row[:6], TurnState.read(row[6]), *row[7:]]) for row in ordered]


# ------------------------------------------------------------------------------------------- retention


def old(kind: Prunable, after: int, limit: int) -> Query[list[Old]]:
    """The rows of a kind after id ``after``, with the columns that decide whether they may be pruned."""
    return Query(KINDS[kind].walk, {"after": after, "limit": limit}, lambda rows: [Old(*row) for row in rows])
