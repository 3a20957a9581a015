"""What is done with messages: sending, waiting, retrying, dropping."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from lanes import incoming
from lanes.context import Context
from lanes.errors import Changed, IdempotencyConflict, LaneBusy, NotAllowed, NotFound, QueueFull, Unfit, WaitCycle
from lanes.finding import timed
from lanes.identity import is_gone, this_process
from lanes.operations.lanes import row_of
from lanes.procedure import Procedure, nap, read, tell, write
from lanes.records import Message
from lanes.text import check_key
from lanes.why import pause_told
from lanes_storage import doors, reads, records
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import TERMINAL, BoundTo, MessageState, Mode, Overflow
from lanes_storage.moment import Now
from lanes_storage.records import (
    Admission,
    Comparison,
    Condition,
    How,
    Idempotency,
    LaneFilter,
    NewMessage,
    Subject,
    Wait,
    Waiter,
)

T = TypeVar("T")

#: The newest failures of a lane, among which the one to retry is looked for.
LOOKED_THROUGH = 50
#: Such a message was not answered because of a limit that somebody set: it is retried only where that is meant.
DELIBERATE = ("expired", "over_budget")
EVERY = LaneFilter(of=Subject.MESSAGE)


def send(
    ctx: Context,
    key: str,
    text: str | None = None,
    *,
    request: dict[str, Any] | None = None,
    runner: str | None = None,
    idempotency_key: str | None = None,
    token: str = "",
    if_idle: bool = False,
    cap: int | None = None,
    mode: Mode | str | None = None,
    overflow: Overflow | str | None = None,
    waiting_run: int | None = None,
    bound_to: BoundTo | None = None,
    bound_owner: int | None = None,
    anonymous: bool = False,
) -> Procedure[Message]:
    """Accept a message: once this returns, it is committed and survives everything.

    ``cap``, ``mode`` and ``overflow`` are those of the lane's policy unless given; what is bound to its waiter waits in
    any case. ``waiting_run``: the run that will wait for this message; see ``begin_wait``.
    Raises InvalidKey, Unfit, QueueFull, LaneBusy (``if_idle``, mode ``reject``), IdempotencyConflict, WaitCycle.
    """
    if (text is None) == (request is None) and bound_to is not BoundTo.WAITER:
        raise Unfit("a message is exactly one of text and request")
    stored = None if request is None else incoming.json_text(incoming.dict_or_none(request, "request"), "request")
    text, runner = incoming.text_or_none(text, "text"), incoming.text_or_none(runner, "runner", incoming.LONGEST_NAME)
    actor, key, name = incoming.actor(ctx.actor), check_key(key), None
    if idempotency_key is not None:
        body = json.dumps([text, request, runner], sort_keys=True)
        key_given = incoming.text(idempotency_key, "idempotency_key", incoming.LONGEST_NAME)
        name = Idempotency(key_given, incoming.text(token, "token"), _digest(body))
    new = NewMessage(key, text, stored, runner, actor, bound_to, bound_owner, anonymous, name)
    if bound_to is BoundTo.WAITER:
        mode = Mode.QUEUE
    admission = _admission(ctx, key, cap, mode, overflow)._replace(
        if_idle=if_idle, waiter=None if waiting_run is None else _here(waiting_run)
    )
    now = yield from tell()
    accepted = yield from _without_circle(doors.accept(new, admission, now).and_then(partial(_message, new, now)))
    match accepted:
        case Message():
            return accepted
        case Refusal.QUEUE_FULL:
            raise QueueFull(key, admission.cap)
        case Refusal.LANE_BUSY:
            raise LaneBusy(key)
        case doors.WaitCycle(keys):
            raise WaitCycle(keys)
        case _:
            raise IdempotencyConflict(key, idempotency_key or "")


def _admission(
    ctx: Context, key: str, cap: int | None, mode: Mode | str | None, overflow: Overflow | str | None
) -> Admission:
    """The policy of the lane, and what a call says otherwise."""
    policy = ctx.admission(key)
    return policy._replace(
        cap=policy.cap if cap is None else incoming.count(cap, "cap"),
        mode=policy.mode if mode is None else incoming.one_of(Mode, mode, "mode"),
        overflow=policy.overflow if overflow is None else incoming.one_of(Overflow, overflow, "overflow"),
    )


def _message(new: NewMessage, now: Now, tx: Transaction, accepted: Accepted | T) -> Message | T:
    """What was accepted, as it was stored, and what keeps it from starting: a moment later it may run.

    Read in the same step where that may be another one: under the same name, or with half a character in it.
    """
    if not isinstance(accepted, Accepted):
        return accepted
    if accepted.lane_id is None or not all(map(_is_whole, (new.text, new.runner, new.actor))):
        return _read_back(now, tx, accepted)
    key, text, request, runner, actor, bound_to, bound_owner, *_ = new
    said = (key, MessageState.QUEUED, text, request, runner, actor, bound_to, bound_owner)
    place, at = accepted.position, now.wall
    row = records.Message(accepted.message_id, accepted.lane_id, *said, accepted_at=at, position=place)
    return _held_up(now, tx, row)


def _is_whole(text: str | None) -> bool:
    """Whether it is stored as it is: half a character becomes a question mark."""
    try:
        return text is None or text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _read_back(now: Now, tx: Transaction, accepted: Accepted) -> Message:
    row = reads.get_message(tx, accepted.message_id)
    assert row is not None
    return _held_up(now, tx, row)


def _held_up(now: Now, tx: Transaction, row: records.Message) -> Message:
    message, pause = Message.of(row, whole=False), reads.get_pause(tx, row.lane_id, row.key)
    return message if pause is None else message.replace(held_up=pause_told(pause, now))


def _digest(body: str) -> str:
    import hashlib  # loads a library that most commands never need

    return hashlib.sha256(body.encode()).hexdigest()


def message(message_id: int) -> Procedure[Message]:
    """One message as it stands. Raises NotFound."""
    found = yield from read(reads.message(incoming.count(message_id, "the id of a message")))
    if found is None:
        raise NotFound("message", message_id)
    return Message.of(found)


def wait(message_id: int, *, timeout: float | None) -> Procedure[Message]:
    """The message once it has ended, or as it stands after ``timeout`` seconds. Raises NotFound."""
    timeout = incoming.patience_s(timeout)
    deadline = None if timeout is None else (yield from tell()).mono + timeout * 1000
    while True:
        found = yield from message(message_id)
        left = 60_000.0 if deadline is None else deadline - (yield from tell()).mono
        if found.state in TERMINAL or left <= 0:
            return found
        yield from nap(left / 1000)


def begin_wait(run_id: int, message_id: int) -> Procedure[bool]:
    """Note that a run waits in this process for a message: it is not stalled until that has ended, or ``end_wait``.

    Whether that run holds its lane. Raises WaitCycle where the message waits for the run.
    """
    now, waiter = (yield from tell()), _here(run_id)
    begun = yield from _without_circle(lambda tx: doors.begin_wait(tx, waiter, message_id, now))
    if isinstance(begun, doors.WaitCycle):
        raise WaitCycle(begun.keys)
    return begun


def end_wait(run_id: int, message_id: int) -> Procedure[None]:
    """The run waits in this process for the message no longer."""
    waiter = _here(run_id)
    yield from write(lambda tx: doors.end_wait(tx, waiter, message_id))


def _without_circle(step: Step[T]) -> Procedure[T]:
    """Do what may be refused because of a circle of waits: once more, if a process that waited in it is gone."""
    done = yield from write(step)
    if not isinstance(done, doors.WaitCycle):
        return done
    gone = [wait for wait in (yield from read(reads.waits())) if is_gone(wait.process, this_process())]
    if not gone:
        return done
    yield from write(partial(_end_waits, gone))
    return (yield from write(step))


def _end_waits(waits: Sequence[Wait], tx: Transaction) -> None:
    for wait in waits:
        doors.end_wait(tx, Waiter(wait.run_id, wait.process), wait.message_id)


def _here(run_id: int) -> Waiter:
    return Waiter(run_id, this_process())


def messages(
    key: str,
    *,
    states: Sequence[MessageState] = (),
    limit: int | None = None,
    before: int | None = None,
    within: int | None = None,
    chosen: LaneFilter = EVERY,
) -> Procedure[list[Message]]:
    """The messages of a lane, newest first; ``before``: older than that one. Raises NotFound.

    ``within``: as many as have so many characters together, and one in any case; ``chosen`` is a filter of messages.
    """
    lane, chosen = (yield from row_of(key)), (yield from timed(chosen))
    found = yield from read(reads.messages(lane.id, states, limit, before, within=within, chosen=chosen))
    return list(map(Message.of, found))


def dead_letters(
    *, limit: int | None = None, before: int | None = None, within: int | None = None, chosen: LaneFilter = EVERY
) -> Procedure[list[Message]]:
    """The failed messages of every lane, newest first, those that were retried too; the rest as for ``messages``."""
    chosen = yield from timed(chosen)
    found = yield from read(reads.dead_letters(limit, before, within=within, chosen=chosen))
    return list(map(Message.of, found))


def droppable(chosen: LaneFilter) -> Procedure[list[int]]:
    """The waiting messages that a filter chooses, the oldest first."""
    return (yield from read(reads.droppable((yield from timed(chosen)))))


def retriable(chosen: LaneFilter) -> Procedure[list[int]]:
    """The dead letters that a filter chooses and that were not retried yet, the oldest first.

    Those of ``DELIBERATE`` causes are left out, unless the filter names the cause.
    """
    if not any(condition.field == "cause" and not condition.negated for condition in chosen.conditions):
        deliberate = tuple(Comparison(How.IS, cause) for cause in DELIBERATE)
        chosen = chosen._replace(conditions=(*chosen.conditions, Condition("cause", deliberate, negated=True)))
    return (yield from read(reads.retriable((yield from timed(chosen)))))


def retry(ctx: Context, message_id: int) -> Procedure[Message]:
    """Accept a dead letter once more, at the tail of its lane, as its policy takes a message; returns the new message.

    Raises NotFound, QueueFull, LaneBusy (mode ``reject``), and NotAllowed for what is no dead letter or was retried
    before.
    """
    actor, admission_of, now = incoming.actor(ctx.actor), ctx.admissions(), (yield from tell())

    def step(tx: Transaction) -> Message | Refusal | MessageState | None:
        found = reads.get_message(tx, message_id)
        if found is None:
            return None
        again = doors.retry(tx, message_id, admission_of(found.key), now, actor=actor)
        return _read_back(now, tx, again) if isinstance(again, Accepted) else again

    result = yield from write(step)
    if result is None:
        raise NotFound("message", message_id)
    if isinstance(result, Message):
        return result
    before = yield from message(message_id)
    if result is Refusal.HOLD:
        raise NotAllowed(f"message {message_id} was a hold: only the program that held the lane can do that work again")
    if result is Refusal.LANE_BUSY:
        raise LaneBusy(before.key)
    if isinstance(result, Refusal):
        raise QueueFull(before.key, admission_of(before.key).cap)
    if before.retried_as is not None:
        raise NotAllowed(f"message {message_id} was retried before, as message {before.retried_as}")
    raise NotAllowed(f"message {message_id} is {result}: only a failed message can be retried")


def retry_last(ctx: Context, key: str, *, epoch: int | None = None) -> Procedure[Message]:
    """Retry the newest dead letter of a lane that was not retried yet; returns the new message.

    Raises NotFound, Changed, QueueFull, LaneBusy, and NotAllowed where there is none.
    """
    found = yield from row_of(key)
    if epoch not in (None, found.epoch):
        raise Changed(key, found.epoch)
    failed = yield from read(reads.messages(found.id, (MessageState.FAILED,), LOOKED_THROUGH))
    last = next((message for message in failed if message.retried_as is None), None)
    if last is None:
        raise NotAllowed("it has no failed message that was not retried")
    return (yield from retry(ctx, last.id))


def drop(message_id: int, *, actor: str) -> Procedure[Message]:
    """End a waiting message as ``dropped``. Raises NotFound, and NotAllowed for what does not wait."""
    actor, now = incoming.actor(actor), (yield from tell())
    state = yield from write(lambda tx: doors.drop(tx, message_id, now, actor=actor))
    if state is None:
        raise NotFound("message", message_id)
    if state is MessageState.RUNNING:
        raise NotAllowed(f"message {message_id} is running: use abort")
    if state is not MessageState.QUEUED:
        raise NotAllowed(f"message {message_id} is {state}: only a waiting message can be dropped")
    return (yield from message(message_id))


def bound_gone(message_id: int, *, actor: str, why: str) -> Procedure[bool]:
    """End a message that is bound to what is gone now: at once if it waits, by abort if it runs."""
    now = yield from tell()
    return (yield from write(lambda tx: doors.end_bound(tx, message_id, now, actor=actor, why=why)))
