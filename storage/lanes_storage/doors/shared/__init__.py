"""What several doors write: events, turns of conversations, the ends of messages, and notices of these ends."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.interface import Bindings, Transaction
from lanes_storage.law import AttemptCause, BoundTo, Cause, Edge, EventType, MessageState, turn_of
from lanes_storage.records import ProviderAttempt, RunFailure, RunResult
from lanes_storage.statements import further


def event(
    type: EventType | Edge,  # noqa: A002 - the word that the journal itself uses
    now: Now,
    *,
    lane: int | None = None,
    from_state: str | None = None,
    to_state: str | None = None,
    run: int | None = None,
    message: int | None = None,
    epoch: int | None = None,
    actor: str | None = None,
    cause: str | None = None,
    detail: dict[str, Any] | str | None = None,
) -> Bindings:
    """One event, as ``statements.RECORD`` takes it. ``detail``: an object, or the JSON of one."""
    stored = detail if detail is None or isinstance(detail, str) else json.dumps(detail)
    return now.wall, str(type), lane, from_state, to_state, run, message, epoch, actor, cause, stored


def write_events(tx: Transaction, events: Sequence[Bindings]) -> None:
    """Write events, and mark the blocks of the journal in which their lanes have events."""
    if events:
        tx.many(sql.RECORD, events)
        tx.run(sql.MARK_BLOCKS, (len(events),))


def record(tx: Transaction, type: EventType, now: Now, **fields: Any) -> None:  # noqa: A002
    """Write one event; ``fields`` is as for ``event``."""
    write_events(tx, [event(type, now, **fields)])


def next_epochs(tx: Transaction, count: int) -> Iterator[int]:
    """New fencing tokens from the one counter of the database. None of them was used before."""
    if count == 0:
        return iter(())
    ((last,),) = tx.rows(sql.NEXT_EPOCHS, (count,))
    return iter(range(last - count + 1, last + 1))


#: The terminal states that have a notice. A message that ends ``done`` has its reply.
NOTED = frozenset({MessageState.FAILED, MessageState.ABORTED, MessageState.DROPPED})

#: What to do before a retry of a dead letter makes sense.
BEFORE_RETRY: dict[str, str] = {
    Cause.PROVIDER_FAILED: "check the providers named in its attempts",
    Cause.PROVIDER_COOLING: "wait until a provider is available (`lanes status` says when)",
    Cause.RUN_TIMEOUT: "raise run_timeout for this lane if it needs longer",
    Cause.STALL_TIMEOUT: "see what its last progress was; raise stall_timeout for this lane if such silence is normal",
    Cause.RUNNER_FAILED: "fix the exception that the runner raised",
    Cause.BACKEND_LOST: "check that the runner's backend is up",
    Cause.OWNER_GONE: "check what the cut run had done already",
    Cause.OWNER_SILENT: "check what the cut run had done already",
    Cause.GHOST: "check what the cut run had done already",
    Cause.DRAINED: "check what the cut run had done already",
    Cause.POISON: "find out why the gateway died during its runs",
    Cause.EXPIRED: "see what kept its lane busy so long, or raise max_wait",
    Cause.OVER_BUDGET: "raise its budget, or wait until it is free again",
    Cause.NO_ANSWER: "let somebody answer the questions of its run (`lanes answer`)",
    Cause.WAIT_CYCLE: "change its runner: it waits for a lane that waits for it",
}
#: Endings that a person requested, or that need no action.
NOTHING_TO_DO: dict[str, str] = {
    Cause.INTERRUPTED_BY_NEWER: "nothing to do: a newer message of its lane took its place",
    BoundTo.CLIENT.end_cause: "nothing to do: the client that asked has left, or was told that its gateway stopped",
    BoundTo.WAITER.end_cause: "nothing to do: the caller that waited has left",
}
#: What to do where the same message would end in the same way again.
INSTEAD_OF_RETRY: dict[str, str] = {
    AttemptCause.CONTEXT_OVERFLOW: "send a shorter text: no model of its runner can read so much",
}


def next_step(message: int, state: MessageState, cause: str | None, *, bound: bool = False) -> str:
    """What a person can do about a message that ended in ``state``, as a sentence.

    ``bound``: it belonged to a connection or a process, which was informed and repeats the request by itself.
    """
    if cause in NOTHING_TO_DO:
        return NOTHING_TO_DO[cause]
    before = BEFORE_RETRY.get(cause) if cause is not None else None
    if bound:
        return (f"{before}; " if before else "") + "its caller was told, and can ask again"
    if cause in INSTEAD_OF_RETRY:
        return INSTEAD_OF_RETRY[cause]
    if state is MessageState.FAILED:
        return (f"{before}, then " if before else "") + f"retry it with `lanes retry {message}`"
    if cause is Cause.OVERFLOW:
        return "send it again when fewer wait in its lane, or raise queue.cap"
    if state is MessageState.ABORTED:
        return f"retry it with `lanes retry {message}` if it is still wanted"
    return "send it again if it is still wanted"


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
    """Write turns, each of a different lane. The caller sets the ``last_turn`` of these lanes."""
    tx.many(further.MAKE_TURN, [_row_of_turn(turn) for turn in turns])


def _row_of_turn(turn: NewTurn) -> Bindings:
    message, lane, conversation, before, text, state, now, answer = turn
    reply, messages, tokens = (None, None, None) if answer is None else (answer.text, answer.messages, answer.tokens)
    return turn_of(message), lane, conversation, before, message, text, reply, messages, str(state), tokens, now.wall


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


def _row(ending: Ending) -> Bindings:
    message, _, _, _, state, interruptions, now, answer, failure, answered_by = ending
    reply, reply_detail = (None, None) if answer is None else (answer.text, answer.detail)
    cause, error = (None, None) if failure is None else (failure.cause, failure.message)
    outcome = answer or failure
    attempts = None if outcome is None else attempts_json(outcome.attempts)
    return str(state), reply, reply_detail, cause, error, attempts, interruptions, answered_by, now.wall, message


def _notice(ending: Ending) -> Bindings:
    message, lane, run, bound, state, _, now, _, failure, _ = ending
    cause = None if failure is None else failure.cause
    detail = {"state": state, "next": next_step(message, state, cause, bound=bound)}
    if failure is not None:
        detail["message"] = failure.message
    return event(EventType.NOTICE, now, lane=lane, run=run, message=message, actor="lanes", cause=cause, detail=detail)


def attempts_json(attempts: tuple[ProviderAttempt, ...]) -> str | None:
    """The provider chain as it is stored."""
    if not attempts:
        return None
    return json.dumps(
        [{name: value for name, value in attempt._asdict().items() if value is not None} for attempt in attempts]
    )


class FoundMessage(NamedTuple):
    """A message as ``statements.FIND_MESSAGE`` reads it."""

    id: int
    lane: int
    state: str
    text: str | None
    request: str | None
    runner: str | None
    actor: str
    sender: str | None
    fresh: bool | None  # its first run, which has not begun, begins a new conversation
    acts: bool | None
    anonymous: bool
    started_at: int | None
    interruptions: int
    bound_to: str | None
    run: int | None
    batch: int | None
    for_run: int | None
    retried_as: int | None
    depth: int | None
    key: str
    conversation: int
    last_turn: int | None


def find_message(tx: Transaction, message: int) -> FoundMessage | None:
    """A message, or None if there is none with this id."""
    rows = tx.rows(sql.FIND_MESSAGE, {"message": message})
    return FoundMessage(*rows[0]) if rows else None


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
    found = find_message(tx, message)
    if found is None or found.state != MessageState.QUEUED:
        return False
    if found.for_run is not None:  # the run can no longer take it; a question that it answered waits for another answer
        tx.run(further.FORGET_ANSWER, {"run": found.for_run, "message": message})
        tx.run(further.GIVE_BACK, {"message": message})
    content = {"text": found.text, "request": found.request, "runner": found.runner, "reason": reason}
    detail = {name: value for name, value in content.items() if value is not None}
    change = {"lane": found.lane, "from_state": found.state, "to_state": state, "message": message}
    record(tx, EventType.ENDED, now, **change, actor=actor, cause=failure.cause, detail=detail)
    bound = found.bound_to is not None
    finish(tx, [Ending(message, found.lane, found.run, bound, state, found.interruptions, now, failure=failure)])
    _write_unanswered_turn(tx, found, state, failure.cause, now)
    tx.run(sql.RESET_HEAD, {"lane": found.lane, "now": now.wall})
    return True


def _write_unanswered_turn(tx: Transaction, found: FoundMessage, state: MessageState, cause: Cause, now: Now) -> None:
    """Write the turn of a message that ends while it waits, unless it was withdrawn: dropped, or aborted before its
    first run for another reason than a newer message."""
    withdrawn = found.started_at is None and state is MessageState.ABORTED and cause is not Cause.INTERRUPTED_BY_NEWER
    if found.text is None or found.anonymous or state is MessageState.DROPPED or withdrawn:
        return
    write_turns(tx, [NewTurn(found.id, found.lane, found.conversation, found.last_turn, found.text, state, now)])
    tx.run(further.NEW_LAST_TURN, {"turn": turn_of(found.id), "lane": found.lane})


def batch_members(tx: Transaction, batch: int, state: MessageState) -> dict[int, str]:
    """The messages of a batch that are in the given state, in their order, with their texts."""
    return {int(row[0]): str(row[1]) for row in tx.rows(sql.BATCH, {"batch": batch, "state": state})}
