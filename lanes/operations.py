"""What every surface can do, once: the command line, the HTTP API, the dashboard and ``lanes.Desk``.

Each operation is a *procedure* (``lanes.procedure``): it yields what it needs of the store and of time, so the
same code runs for a blocking command and on an event loop. ``actor`` is who asks, as the journal shows it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lanes.abort import AbortResult, Outcome, abort, abort_of, abort_outcome, abortable
from lanes.draining import DEFAULT_DRAIN_MS, Cut, drain, drain_rehearsal, drain_wait
from lanes.errors import Changed, IdempotencyConflict, LaneBusy, NotAllowed, NotFound, QueueFull, WaitCycle
from lanes.identity import evidence, is_gone, this_process
from lanes.procedure import Procedure, nap, read, tell, write
from lanes.pruning import prune_dead_letters
from lanes.text import check_key
from lanes.why import Circumstances, why_paragraph
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted, Control, Refusal
from lanes_storage.law import HELD, TERMINAL, BoundTo, MessageState, Mode, Overflow
from lanes_storage.records import (
    Admission,
    Cooldown,
    Counts,
    Event,
    Idempotency,
    Intake,
    Lane,
    LaneFilter,
    LaneOrder,
    Message,
    NewMessage,
    Owner,
)

#: How many messages and events the view of one lane shows.
SHOWN_MESSAGES = 50
SHOWN_EVENTS = 20
DEFAULT_CAP = 20
BY_ATTENTION = LaneOrder()
DEFAULT_INTAKE: Intake = {"cap": DEFAULT_CAP, "mode": Mode.QUEUE, "overflow": Overflow.REJECT}


@dataclass(frozen=True, slots=True)
class LaneDetail:
    """One lane with its newest messages, its last events, and the paragraph that says what it waits for."""

    lane: Lane
    messages: list[Message]
    events: list[Event]
    why: str


@dataclass(frozen=True, slots=True)
class OwnerView:
    """An owner, and whether it lives as far as this process can tell."""

    owner: Owner
    alive: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Status:
    """The database at a glance."""

    database: str
    gateways: list[OwnerView]
    counts: Counts
    cooldowns: list[Cooldown]


# ------------------------------------------------------------------------------------------- messages


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
    stored = None if request is None else json.dumps(request, ensure_ascii=True)
    name = None
    if idempotency_key is not None:
        body = json.dumps([text, request, runner], sort_keys=True)
        name = Idempotency(idempotency_key, token, hashlib.sha256(body.encode()).hexdigest())
    new = NewMessage(check_key(key), text, stored, runner, actor, bound_to, bound_owner, anonymous, name)
    admission = Admission(cap, if_idle, mode, overflow, waiting_run)
    now = yield from tell()
    accepted = yield from write(lambda tx: doors.accept(tx, new, admission, now))
    match accepted:
        case Accepted(message_id):
            return (yield from message(message_id))
        case Refusal.QUEUE_FULL:
            raise QueueFull(key, cap)
        case Refusal.LANE_BUSY:
            raise LaneBusy(key)
        case doors.WaitCycle(keys):
            raise WaitCycle(keys)
        case _:
            raise IdempotencyConflict(key, idempotency_key or "")


def message(message_id: int) -> Procedure[Message]:
    """One message as it stands. Raises NotFound."""
    found = yield from read(reads.message(message_id))
    if found is None:
        raise NotFound("message", message_id)
    return found


def wait(message_id: int, *, timeout: float | None) -> Procedure[Message]:
    """The message once it has ended, or as it stands after ``timeout`` seconds. Raises NotFound."""
    deadline = None if timeout is None else (yield from tell()).mono + timeout * 1000
    while True:
        found = yield from message(message_id)
        left = 60_000.0 if deadline is None else deadline - (yield from tell()).mono
        if found.state in TERMINAL or left <= 0:
            return found
        yield from nap(left / 1000)


def begin_wait(run_id: int, message_id: int) -> Procedure[bool]:
    """Note that a run waits for a message: it is not stalled until that has ended, or ``end_wait``.

    Whether that run holds its lane. Raises WaitCycle where the message waits for the run.
    """
    now = yield from tell()
    begun = yield from write(lambda tx: doors.begin_wait(tx, run_id, message_id, now))
    if isinstance(begun, doors.WaitCycle):
        raise WaitCycle(begun.keys)
    return begun


def end_wait(run_id: int, message_id: int) -> Procedure[None]:
    """The run waits for the message no longer."""
    yield from write(lambda tx: doors.end_wait(tx, run_id, message_id))


def messages(
    key: str, *, states: Sequence[MessageState] = (), limit: int | None = None, before: int | None = None
) -> Procedure[list[Message]]:
    """The messages of a lane, newest first; ``before``: older than that one. Raises NotFound."""
    found = yield from lane(key)
    return (yield from read(reads.messages(found.id, states, limit, before)))


def dead_letters(*, limit: int | None = None, before: int | None = None) -> Procedure[list[Message]]:
    """The failed messages of every lane, newest first, those that were retried too; ``before``: older than that one."""
    return (yield from read(reads.dead_letters(limit, before)))


def retry(message_id: int, *, actor: str, cap: int = DEFAULT_CAP) -> Procedure[Message]:
    """Accept a dead letter once more, at the tail of its lane; returns the new message.

    Raises NotFound, QueueFull, and NotAllowed for what is no dead letter or was retried before.
    """
    now = yield from tell()
    result = yield from write(lambda tx: doors.retry(tx, message_id, Admission(cap), now, actor=actor))
    if result is None:
        raise NotFound("message", message_id)
    if isinstance(result, Accepted):
        return (yield from message(result.message_id))
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
    failed = yield from read(reads.messages(found.id, (MessageState.FAILED,), SHOWN_MESSAGES))
    last = next((message for message in failed if message.retried_as is None), None)
    if last is None:
        raise NotAllowed("it has no failed message that was not retried")
    return (yield from retry(last.id, actor=actor, cap=cap))


def drop(message_id: int, *, actor: str) -> Procedure[Message]:
    """End a waiting message as ``dropped``. Raises NotFound, and NotAllowed for what does not wait."""
    now = yield from tell()
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


# ---------------------------------------------------------------------------------------------- lanes


def lanes(
    chosen: LaneFilter, *, order: LaneOrder = BY_ATTENTION, limit: int | None = None, offset: int = 0
) -> Procedure[list[Lane]]:
    """Lanes in some order; by attention, unfinished ones first, the head that has waited longest at the top."""
    return (yield from read(reads.lanes(chosen, order=order, limit=limit, offset=offset)))


def lanes_total(chosen: LaneFilter) -> Procedure[int]:
    """How many lanes a filter chooses."""
    return (yield from read(reads.lanes_total(chosen)))


def counts() -> Procedure[Counts]:
    """How much there is of everything."""
    now = yield from tell()
    return (yield from read(reads.counts(now.wall)))


def lane(key: str) -> Procedure[Lane]:
    """One lane. Raises NotFound."""
    found = yield from read(reads.lane(key))
    if found is None:
        raise NotFound("lane", key)
    return found


def detail(key: str) -> Procedure[LaneDetail]:
    """One lane with its messages, events and why-paragraph. Raises NotFound."""
    found = yield from lane(key)
    newest = yield from read(reads.messages(found.id, (), SHOWN_MESSAGES))
    last = yield from read(reads.events(lane=found.id, limit=SHOWN_EVENTS, newest=True))
    circumstances = yield from _circumstances(found)
    return LaneDetail(found, newest, last, why_paragraph(found, circumstances))


def why(key: str) -> Procedure[str]:
    """One plain paragraph: what blocks this lane, the evidence, what happens next and when. Raises NotFound."""
    found = yield from lane(key)
    return why_paragraph(found, (yield from _circumstances(found)))


def _circumstances(found: Lane) -> Procedure[Circumstances]:
    now = yield from tell()
    owners = yield from read(reads.owners())
    head = None if found.head_id is None else (yield from read(reads.message(found.head_id)))
    cooling = yield from read(reads.cooldowns(now.wall))
    last = yield from read(reads.events(lane=found.id, limit=1, newest=True))
    return Circumstances(now, this_process(), owners, head, cooling, last[-1] if last else None)


def pause(
    key: str, *, actor: str, reason: str | None = None, until: int | None = None, epoch: int | None = None
) -> Procedure[Lane]:
    """Let a lane claim nothing until ``until`` (wall time, milliseconds) or until resumed.

    ``epoch``, here and below: only if the lane still stands at it. Raises NotFound, Changed.
    """
    now = yield from tell()
    done = yield from write(
        lambda tx: doors.pause(tx, key, now, actor=actor, reason=reason or "paused by hand", until=until, meant=epoch)
    )
    return (yield from _after(key, done))


def resume(key: str, *, actor: str, epoch: int | None = None) -> Procedure[Lane]:
    """Let a lane claim again; harmless on one that is not paused. Raises NotFound, Changed."""
    now = yield from tell()
    done = yield from write(lambda tx: doors.resume(tx, key, now, actor=actor, meant=epoch))
    return (yield from _after(key, done))


def ack(key: str, *, actor: str, epoch: int | None = None) -> Procedure[Lane]:
    """ "Seen": errored or aborted back to idle; harmless on an idle lane.

    Raises NotFound, Changed, and NotAllowed on a running lane.
    """
    now = yield from tell()
    done = yield from write(lambda tx: doors.ack(tx, key, now, actor=actor, meant=epoch))
    if done.state in HELD and not done.moved_on:
        raise NotAllowed(f"lane {key!r} is running: use abort")
    return (yield from _after(key, done))


def _after(key: str, done: Control) -> Procedure[Lane]:
    if done.state is None:
        raise NotFound("lane", key)
    if done.moved_on:
        raise Changed(key, done.epoch)
    return (yield from lane(key))


# ------------------------------------------------------------------------------------- the whole house


def status(database: str) -> Procedure[Status]:
    """Gateways, counts, cooldowns."""
    now = yield from tell()
    me = this_process()
    owners = yield from read(reads.owners())
    gateways = []
    for owner in owners:
        if owner.kind == "gateway":
            age = now.boot - owner.heartbeat_boot if owner.boot_id == now.boot_id else now.wall - owner.heartbeat_at
            alive = not is_gone(owner, me) and age < owner.stale_after_ms
            gateways.append(OwnerView(owner, alive, evidence(owner, me)))
    total = yield from read(reads.counts(now.wall))
    cooling = yield from read(reads.cooldowns(now.wall))
    return Status(database, gateways, total, cooling)


def events(
    *,
    key: str | None = None,
    after: int = 0,
    since: int | None = None,
    type: str | None = None,  # noqa: A002 - the journal's own word
    limit: int | None = None,
    newest: bool = False,
) -> Procedure[list[Event]]:
    """The journal behind event ``after``, oldest first; ``newest`` takes the last ``limit``. Raises NotFound."""
    lane_id = None if key is None else (yield from lane(key)).id
    query = reads.events(lane=lane_id, after=after, since=since, type=type, limit=limit, newest=newest)
    return (yield from read(query))


__all__ = [
    "DEFAULT_DRAIN_MS",
    "AbortResult",
    "Cut",
    "LaneDetail",
    "Outcome",
    "OwnerView",
    "Status",
    "abort",
    "abort_of",
    "abort_outcome",
    "abortable",
    "ack",
    "begin_wait",
    "bound_gone",
    "counts",
    "dead_letters",
    "detail",
    "drain",
    "drain_rehearsal",
    "drain_wait",
    "drop",
    "end_wait",
    "events",
    "lane",
    "lanes",
    "lanes_total",
    "message",
    "messages",
    "pause",
    "prune_dead_letters",
    "resume",
    "retry",
    "retry_last",
    "send",
    "status",
    "wait",
    "why",
]
