"""Records of messages and events, and of a lane with both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from lanes.records.lanes import Lane, Run, RunProcess
from lanes.records.record import Record
from lanes.text import chats
from lanes_storage import records as rows
from lanes_storage.law import Cause, MessageState, TurnState
from lanes_storage.reads.shapes import parsed

if TYPE_CHECKING:
    from lanes.records.kinds import (
        HIDDEN,
        INLINE,
        OPEN,
        UNUSUAL,
        Count,
        Detail,
        EventWord,
        Id,
        JsonName,
        Key,
        Moment,
        Money,
        Object,
    )


class Attempt(Record):
    """One provider that was tried for a message."""

    provider: str
    cause: Annotated[str, "the cause, or a word that the provider defines"]
    message: str
    at: Moment
    status: Annotated[Count | None, "of HTTP, if it refused with one"] = None
    type: Annotated[str | None, "its name for the error"] = None
    param: str | None = None
    code: str | None = None


class Failure(Record):
    """Why a message did not end well."""

    cause: Annotated[Cause, OPEN]
    message: str
    attempts: Annotated[tuple[Attempt, ...], "one for each provider that was tried"]

    @classmethod
    def of(cls, row: rows.RunFailure) -> Failure:
        """A failure with the whole provider chain."""
        return Failure(row.cause, row.message, tuple(Attempt(*attempt) for attempt in row.attempts))


class ConversationTurn(Record):
    """One turn of a conversation: what a person said in a lane, and the answer."""

    message_id: Annotated[Id | None, "null if it was imported"]
    text: str
    reply: Annotated[str | None, "null if it was not answered"]
    state: Annotated[TurnState, OPEN]
    tools: Annotated[tuple[str, ...], "the tools that the answer calls"]
    tokens: Annotated[Count | None, "its size in tokens, if the provider reported it"]
    told: Annotated[bool, "whether a model still gets it: not in an earlier conversation, or if left out of a long one"]
    at: Annotated[Moment, "when it ended"]

    @classmethod
    def of(cls, row: rows.TurnRow, *, told: bool) -> ConversationTurn:
        """The record of a row."""
        answer: list[Any] = (parsed(row.answer, list) if row.answer else None) or []
        tools = tuple(name for message in answer for name in chats.tools_of(message))
        return ConversationTurn(row.message_id, row.text, row.reply, row.state, tools, row.tokens, told, row.at)


class ConversationSpan(Record):
    """One of the conversations of a lane."""

    number: Count
    turns: Annotated[Count, "how many are kept"]
    began_at: Moment
    last_at: Moment


class Conversation(Record):
    """A conversation of a lane, as far as its turns are kept, oldest first."""

    key: Key
    number: Count
    current: Annotated[bool, "whether the next message belongs to it"]
    turns: tuple[ConversationTurn, ...]
    conversations: Annotated[tuple[ConversationSpan, ...], "all conversations of the lane with turns that are kept"]

    @classmethod
    def of(
        cls,
        key: str,
        state: rows.ConversationState,
        number: int,
        turns: Iterable[rows.TurnRow],
        spans: Iterable[rows.ConversationRow],
    ) -> Conversation:
        """The record of a conversation of a lane."""
        current = number == state.number
        shown = tuple(ConversationTurn.of(row, told=current and row.id >= state.told_from) for row in turns)
        return Conversation(key, number, current, shown, tuple(ConversationSpan(*span) for span in spans))


class ConversationExport(Record):
    """A conversation as chat messages."""

    key: Key
    number: Count
    messages: Annotated[tuple[Object, ...], "of users, assistants and tools, oldest first"]


class Message(Record):
    """One accepted piece of input for a lane."""

    id: Id
    key: Key
    state: MessageState
    position: Annotated[Count | None, "1 for the head; null unless queued"]
    text: Annotated[str | None, "null for a chat request"]
    reply: str | None
    error: Failure | None
    interruptions: Annotated[Count, "runs of it that ended with the death or silence of their owner"]
    parked_until: Annotated[Moment | None, "while it waits for a provider, or to be retried: until then"]
    retry_of: Id | None
    retried_as: Id | None
    answered_by: Annotated[Id | None, "the message whose reply also answers this one"]
    accepted_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    reply_so_far: Annotated[
        str | None, "the end of the reply at the last heartbeat of its run, unless that run completed"
    ]
    provider: Annotated[str | None, "the provider that answered"] = None
    model: Annotated[str | None, "its model"] = None
    usage: Annotated[Object | None, "tokens used"] = None
    attempts: Annotated[tuple[Attempt, ...], "the providers that failed, also if another one answered"] = ()
    asked: Annotated[str | None, UNUSUAL, "of a chat request: the last user text"] = None
    tools: Annotated[tuple[str, ...], UNUSUAL, "the tools that the reply calls"] = ()
    held_up: Annotated[str | None, UNUSUAL, "what kept it from starting when it was accepted"] = None
    retries: Annotated[Count, "failed runs after which its policy retried it"] = 0
    expires_at: Annotated[Moment | None, UNUSUAL, "if it still waits then, it ends as `expired`"] = None
    left_out: Annotated[
        Count | None, UNUSUAL, "turns of the conversation that were left out, since it was too long for the model"
    ] = None
    cost_usd: Annotated[Money | None, UNUSUAL, "what the reply cost; left out: it is not known"] = None
    reply_detail: Annotated[str | None, HIDDEN, "JSON of the runner for surfaces that show more than text"] = None
    bound_owner: Annotated[Count | None, HIDDEN, "the owner that it ends with"] = None

    @classmethod
    def of(cls, row: rows.MessageRow, *, whole: bool = True) -> Message:
        """The record of a row; the runner's detail of the reply gives provider, model, usage and cost.

        ``whole`` False: a chat request is not parsed, since that takes time.
        """
        noted: dict[str, Any] = (parsed(row.reply_detail, dict) if row.reply_detail else None) or {}
        return Message(
            row.id,
            row.key,
            row.state,
            row.position if row.state is MessageState.QUEUED else None,
            row.text,
            row.reply,
            None if row.error is None else Failure.of(row.error),
            row.interruptions,
            row.parked_until if row.state is MessageState.QUEUED else None,  # what has ended waits for nothing
            row.retry_of,
            row.retried_as,
            row.answered_by,
            row.accepted_at,
            row.started_at,
            row.ended_at,
            row.reply_so_far,
            noted.get("provider"),
            noted.get("model"),
            noted.get("usage"),
            tuple(Attempt(*attempt) for attempt in row.attempts),
            chats.request_summary(row.request) if whole else None,
            chats.tools_of(noted["message"]) if "message" in noted else (),
            None,  # held_up
            row.retries,
            row.expires_at,
            noted.get("left_out"),
            noted.get("cost_usd"),
            row.reply_detail,
            row.bound_owner,
        )


class Event(Record):
    """One row of the journal."""

    id: Id
    at: Moment
    type: EventWord
    key: Key | None
    from_state: Annotated[str | None, JsonName("from"), "the state before"]
    to_state: Annotated[str | None, JsonName("to"), "the state after"]
    run_id: Id | None
    message_id: Id | None
    epoch: Count | None
    actor: str | None
    cause: str | None
    detail: Detail | None

    @classmethod
    def of(cls, row: rows.EventRow) -> Event:
        """The record of a row."""
        return Event(*row)


class LaneDetail(Record):
    """One lane with its run, its newest messages, its last events, and the paragraph of ``lanes why``."""

    lane: Annotated[Lane, INLINE]
    why: Annotated[str, "one paragraph, as `lanes why` prints it"]
    run: Run | None
    messages: tuple[Message, ...]
    events: tuple[Event, ...]
    processes: Annotated[
        tuple[RunProcess, ...] | None,
        UNUSUAL,
        "of the run, each behind the one that started it; left out: none, or not visible from here",
    ] = None


class LetterTally(Record):
    """How many dead letters a filter chooses."""

    letters: Count
    retried: Annotated[Count, "those that were retried since"]
    kept: Annotated[Count, "those that a prune would keep: their sender may still ask for them (24 h)"]
    oldest: Annotated[Message | None, "the first of them; null: there is none"]
    newest: Message | None


class LetterPage(Record):
    """A part of the dead letters that a filter chooses, the newest first."""

    messages: tuple[Message, ...]
    total: Annotated[Count, "how many it chooses"]
    place: Annotated[Count | None, "the place of the requested one among them; null: none was requested"]
