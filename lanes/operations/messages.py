"""What is done with messages: sending, waiting, retrying, dropping."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from lanes import incoming
from lanes.errors import Changed, IdempotencyConflict, LaneBusy, NotAllowed, NotFound, QueueFull, WaitCycle
from lanes.identity import is_gone, this_process
from lanes.operations.lanes import lane
from lanes.procedure import Procedure, nap, read, tell, write
from lanes.text import check_key
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import TERMINAL, BoundTo, MessageState, Mode, Overflow
from lanes_storage.records import (
    Admission,
    Idempotency,
    Intake,
    Message,
    NewMessage,
    Wait,
    Waiter,
)

T = TypeVar("T")

DEFAULT_CAP = 20
#: The newest failures of a lane, among which the one to retry is looked for.
LOOKED_THROUGH = 50
DEFAULT_INTAKE: Intake = {"cap": DEFAULT_CAP, "mode": Mode.QUEUE, "overflow": Overflow.REJECT}


def send(
    key: str,
    text: str | None = None,
    *,
    actor: str,
    request: dict[str, Any] | None = None,
    runner: str | None = None,
    idempotency_key: str | None = None,
    token: str = "",
    if_idle: bool = False,
    cap: int = DEFAULT_CAP,
    mode: Mode = Mode.QUEUE,
    overflow: Overflow = Overflow.REJECT,
    waiting_run: int | None = None,
    bound_to: BoundTo | None = None,
    bound_owner: int | None = None,
    anonymous: bool = False,
) -> Procedure[Message]:
    """Accept a message: once this returns, it is committed and survives everything.

    ``mode`` and ``overflow`` are what the policy of the lane says of a busy lane and of a full queue.
    ``waiting_run``: the run that will wait for this message; see ``begin_wait``.
    Raises InvalidKey, QueueFull, LaneBusy (``if_idle``, mode ``reject``), IdempotencyConflict, WaitCycle.
    """
    stored = None if request is None else incoming.json_text(incoming.dict_or_none(request, "request"), "request")
    text, runner = incoming.text_or_none(text, "text"), incoming.text_or_none(runner, "runner", incoming.LONGEST_NAME)
    actor, cap = incoming.actor(actor), incoming.count(cap, "cap")
    name = None
    if idempotency_key is not None:
        body = json.dumps([text, request, runner], sort_keys=True)
        key_given = incoming.text(idempotency_key, "idempotency_key", incoming.LONGEST_NAME)
        name = Idempotency(key_given, incoming.text(token, "token"), _digest(body))
    new = NewMessage(check_key(key), text, stored, runner, actor, bound_to, bound_owner, anonymous, name)
    admission = Admission(cap, if_idle, mode, overflow, None if waiting_run is None else _here(waiting_run))
    now = yield from tell()
    accepted = yield from _without_circle(doors.accept(new, admission, now).and_then(_read_back))
    match accepted:
        case Message():
            return accepted
        case Refusal.QUEUE_FULL:
            raise QueueFull(key, cap)
        case Refusal.LANE_BUSY:
            raise LaneBusy(key)
        case doors.WaitCycle(keys):
            raise WaitCycle(keys)
        case _:
            raise IdempotencyConflict(key, idempotency_key or "")


def _read_back(tx: Transaction, accepted: Accepted | T) -> Message | T | None:
    """What was accepted, read in the same step: a moment later it may run, and another turn costs as much again."""
    return reads.get_message(tx, accepted.message_id) if isinstance(accepted, Accepted) else accepted


def _digest(body: str) -> str:
    import hashlib  # loads a library that most commands never need

    return hashlib.sha256(body.encode()).hexdigest()


def message(message_id: int) -> Procedure[Message]:
    """One message as it stands. Raises NotFound."""
    found = yield from read(reads.message(incoming.count(message_id, "the id of a message")))
    if found is None:
        raise NotFound("message", message_id)
    return found


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
) -> Procedure[list[Message]]:
    """The messages of a lane, newest first; ``before``: older than that one. Raises NotFound.

    ``within``: as many as have so many characters together, and one in any case.
    """
    found = yield from lane(key)
    return (yield from read(reads.messages(found.id, states, limit, before, within=within)))


def dead_letters(
    *, limit: int | None = None, before: int | None = None, within: int | None = None
) -> Procedure[list[Message]]:
    """The failed messages of every lane, newest first, those that were retried too; the rest as for ``messages``."""
    return (yield from read(reads.dead_letters(limit, before, within=within)))


def retry(message_id: int, *, actor: str, cap: int = DEFAULT_CAP) -> Procedure[Message]:
    """Accept a dead letter once more, at the tail of its lane; returns the new message.

    Raises NotFound, QueueFull, and NotAllowed for what is no dead letter or was retried before.
    """
    actor, now = incoming.actor(actor), (yield from tell())
    result = yield from write(lambda tx: _read_back(tx, doors.retry(tx, message_id, Admission(cap), now, actor=actor)))
    if result is None:
        raise NotFound("message", message_id)
    if isinstance(result, Message):
        return result
    before = yield from message(message_id)
    if result is Refusal.HOLD:
        raise NotAllowed(f"message {message_id} was a hold: only the program that held the lane can do that work again")
    if isinstance(result, Refusal):
        raise QueueFull(before.key, cap)
    if before.retried_as is not None:
        raise NotAllowed(f"message {message_id} was retried before, as message {before.retried_as}")
    raise NotAllowed(f"message {message_id} is {result}: only a failed message can be retried")


def retry_last(key: str, *, actor: str, epoch: int | None = None, cap: int = DEFAULT_CAP) -> Procedure[Message]:
    """Retry the newest dead letter of a lane that was not retried yet; returns the new message.

    Raises NotFound, Changed, QueueFull, and NotAllowed where there is none.
    """
    found = yield from lane(key)
    if epoch not in (None, found.epoch):
        raise Changed(key, found.epoch)
    failed = yield from read(reads.messages(found.id, (MessageState.FAILED,), LOOKED_THROUGH))
    last = next((message for message in failed if message.retried_as is None), None)
    if last is None:
        raise NotAllowed("it has no failed message that was not retried")
    return (yield from retry(last.id, actor=actor, cap=cap))


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
