"""Verbs to send messages, and to wait until they end."""

import json
from typing import Annotated, Any

from lanes.base import arguments
from lanes.base.errors import (
    Draining,
    IdempotencyConflict,
    LaneBusy,
    LanesError,
    NotAllowed,
    NotFound,
    QueueFull,
    Unfit,
    WaitCycle,
)
from lanes.base.procedure import Effect, Procedure, made_of, read, wait_for_change, write
from lanes.context import Context
from lanes.explain.pauses import pause_sentence
from lanes.host.identity import is_gone, this_process
from lanes.records import Message
from lanes.text.hosted import lets_act
from lanes.verbs import outcomes
from lanes.verbs.kinds import ANY, NOT_TYPED, ONLY_PYTHON, Chat, Flag, Id, Key, Name, NewKey, ParamHeader, Seconds, Text
from lanes.verbs.verb import WaitOverHttp, verb
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.interface import Step, Transaction, within
from lanes_storage.law import TERMINAL, BoundTo, MessageState, Mode, Overflow
from lanes_storage.records import Admission, Idempotency, MessageRow, NewMessage, Waiter

#: The longest pause between two reads while a call waits for a message.
LOOK_AGAIN_MS = 60_000

SENT_BY = ParamHeader("X-Lanes-Run", alone=True)
Run = Annotated[
    Id | None,
    NOT_TYPED,
    SENT_BY,
    "the run that waits with this request: a wait for itself is refused",
]


@verb(
    "POST /api/lanes/{key}/messages",
    result=Message,
    status=202,
    errors=(QueueFull, LaneBusy, WaitCycle, IdempotencyConflict, Unfit),
)
def send(
    ctx: Context,
    key: NewKey,
    text: Text | None = None,
    *,
    request: Annotated[Chat | None, NOT_TYPED] = None,
    if_idle: Annotated[Flag, "Only if the lane has no unfinished message; otherwise exit code 75."] = False,
    idempotency_key: Annotated[
        Name | None, ParamHeader("Idempotency-Key"), "The same key and text again is the same message."
    ] = None,
    fresh: Annotated[
        Flag, "Begin a new conversation when the message first runs. The earlier one stays readable."
    ] = False,
    waiting_run: Run = None,
    from_run: Annotated[Id | None, NOT_TYPED, SENT_BY, "the run that sends it, also if it does not wait"] = None,
    sender: Annotated[Name | None, NOT_TYPED, "the person who wrote it, where the actor is a program"] = None,
    runner: Annotated[Name | None, ONLY_PYTHON] = None,
    token: Annotated[str, ANY, ONLY_PYTHON] = "",
    cap: Annotated[int | None, ANY, ONLY_PYTHON] = None,
    mode: Annotated[Mode | str | None, ANY, ONLY_PYTHON] = None,
    overflow: Annotated[Overflow | str | None, ANY, ONLY_PYTHON] = None,
    bound_to: Annotated[BoundTo | None, ANY, ONLY_PYTHON] = None,
    bound_owner: Annotated[int | None, ANY, ONLY_PYTHON] = None,
    anonymous: Annotated[bool, ANY, ONLY_PYTHON] = False,
) -> Effect[Message]:
    """Accept a message: once this returns, it is committed and survives any crash.

    ``cap``, ``mode`` and ``overflow`` are those of the lane's policy unless given; a message that is bound to its
    waiter is always queued. ``waiting_run``: the run that will wait for this message; see ``begin_wait``. After 20
    messages in a chain, each sent by the run of the one before, the lane is paused.
    """
    if (text is None) == (request is None) and bound_to is not BoundTo.WAITER:
        raise Unfit("a message is exactly one of text and request")
    if fresh and text is None:
        raise Unfit("fresh is for a text: a request brings its own history", "fresh")
    stored = None if request is None else arguments.json_text(request, "request")
    name = None
    if idempotency_key is not None:
        body = json.dumps([text, request, runner, *(["fresh"] if fresh else [])], sort_keys=True)
        name = Idempotency(idempotency_key, arguments.text(token, "token"), _digest(body))
    fields = (key, text, stored, runner, ctx.actor, bound_to, bound_owner, anonymous, name)
    sent_by = waiting_run if from_run is None else from_run
    acts = request is not None and lets_act(request)
    new = NewMessage(*fields, from_run=sent_by, fresh=fresh, sender=sender, acts=acts)
    admission = _admission(ctx, key, cap, Mode.QUEUE if bound_to is BoundTo.WAITER else mode, overflow)
    waiter = None if waiting_run is None else _waiter_here(waiting_run)
    if if_idle or waiter is not None:
        admission = admission._replace(if_idle=if_idle, waiter=waiter)
    accepting = _accepting(ctx, new, admission)
    return accepting if waiter is None else _without_orphaned_waits(accepting)


@verb(
    "POST /api/lanes/{key}/answer",
    result=Message,
    status=202,
    errors=(NotFound, NotAllowed, Unfit),
    examples=(
        "lanes answer agent:main:telegram:42 main",
        "lanes answer agent:main:telegram:42 yes --question 41.1",
    ),
    outcome_text=outcomes.answered,
)
def answer(
    ctx: Context,
    key: Key,
    text: Text,
    *,
    question: Annotated[Name | None, "Only the question with this id. [default: the open one]"] = None,
) -> Effect[Message]:
    """Answer the question that the run of a lane asks.

    A TEXT of - is read from standard input.

    Exit code 1 if it asks nothing, or another question: an answer is never kept for a later question. If the run ends
    before it has taken the answer, the answer waits in the lane, together with its question.
    """
    if not text.strip():
        raise Unfit("an answer must not be empty", "text")
    admission = ctx.admission(key)._replace(known=True, answers=question or "")

    def step(tx: Transaction) -> Message | LanesError:
        asking_lane = within(tx, reads.lane_with_question(key, question)) or key  # of a session, one of its lanes
        return _accepting(ctx, NewMessage(key, text, actor=ctx.actor), admission, lane=asking_lane)(tx)

    return step


@verb(
    "POST /api/lanes/{key}/steer",
    result=Message,
    status=202,
    errors=(NotFound, QueueFull),
    examples=('lanes steer agent:main:telegram:42 "in German, please"',),
    outcome_text=outcomes.steered,
)
def steer(ctx: Context, key: Key, text: Text) -> Effect[Message]:
    """Give a text to the run of a lane while it works.

    A TEXT of - is read from standard input.

    If nothing runs, the runner takes no such texts, or the run ends before it has taken the text, the text waits in the
    lane like any other message.
    """
    admission = ctx.admission(key)._replace(mode=Mode.STEER, answered=False, known=True)
    return _accepting(ctx, NewMessage(key, text, actor=ctx.actor), admission)


def _accepting(
    ctx: Context, new: NewMessage, admission: Admission, *, lane: str | None = None
) -> Step[Message | LanesError]:
    """Accept a message; returns its record, or the error that refuses it. ``lane``: the lane of its session that it is
    for."""
    now, key = ctx.now(), new.key

    def result_of(tx: Transaction, accepted: object) -> Message | LanesError:
        match accepted:
            case Accepted():
                return _as_stored(tx, accepted, new, now)
            case Refusal.QUEUE_FULL:
                return QueueFull(key, admission.cap)
            case Refusal.LANE_BUSY:
                return LaneBusy(key, admission.mode is Mode.REJECT)
            case Refusal.NO_LANE:
                return NotFound("lane", key)
            case Refusal.OWNER_ENDED:
                return Draining(key)
            case Refusal.NOT_ASKED | Refusal.NO_OPTION:
                return _answer_refused(tx, key, lane or key, admission.answers)
            case doors.WaitCircle(keys):
                return WaitCycle(keys)
            case _:
                return IdempotencyConflict(key, "" if new.idempotency is None else new.idempotency.key)

    return doors.accept(new if lane is None else new._replace(key=lane), admission, now).and_then(result_of)


def _answer_refused(tx: Transaction, key: str, lane_key: str, question: str | None) -> LanesError:
    """The error that refuses an answer. ``lane_key``: the lane of the session ``key`` that it was for."""
    lane = within(tx, reads.lane(lane_key))
    open_ = None if lane is None or lane.run is None or lane.run.abort_at is not None else lane.run.question
    if open_ is None:
        return NotAllowed(
            f"lane {key!r} has no open question" + (f": question {question!r} is closed" if question else "")
        )
    if question not in ("", open_.id):
        return NotAllowed(f"question {question!r} of lane {key!r} is closed; it asks {open_.id}: {open_.text!r}")
    if open_.answer is not None:
        return NotAllowed(f"question {open_.id} of lane {key!r} has its answer: message {open_.answer}")
    return NotAllowed(f"question {open_.id} of lane {key!r} is answered by one of: {', '.join(open_.options)}")


def _admission(
    ctx: Context, key: str, cap: int | None, mode: Mode | str | None, overflow: Overflow | str | None
) -> Admission:
    """The admission rules of the lane's policy, with those that the call overrides."""
    policy = ctx.admission(key)
    if cap is None and mode is None and overflow is None:
        return policy
    return policy._replace(
        cap=policy.cap if cap is None else arguments.count(cap, "cap"),
        mode=policy.mode if mode is None else arguments.one_of(Mode, mode, "mode"),
        overflow=policy.overflow if overflow is None else arguments.one_of(Overflow, overflow, "overflow"),
    )


def _as_stored(tx: Transaction, accepted: Accepted, new: NewMessage, now: Now) -> Message | LanesError:
    """The accepted message as it was stored, with the pause that keeps it from starting.

    It is read back, in the same step, only where it may differ from ``new``: an earlier message with the same
    idempotency key, or a text with a lone surrogate.
    """
    number = accepted.message_id
    if accepted.lane_id is None or not all(map(_is_whole, (new.text, new.runner, new.actor))):
        return read_back(tx, number, now)
    key, text, request, runner, actor, bound_to, bound_owner, *_ = new
    fields = (key, MessageState.QUEUED, text, request, runner, actor, bound_to, bound_owner)
    row = MessageRow(number, accepted.lane_id, *fields, accepted_at=now.wall, position=accepted.position)
    row = row._replace(expires_at=accepted.expires_at) if accepted.expires_at is not None else row
    return _held_up(tx, row, now) if accepted.pauses else Message.of(row, whole=False)


def read_back(tx: Transaction, number: int, now: Now) -> Message | LanesError:
    """A message that was just accepted, with the pause that keeps it from starting."""
    row = within(tx, reads.message(number))
    return NotFound("message", number) if row is None else _held_up(tx, row, now)


def _held_up(tx: Transaction, row: MessageRow, now: Now) -> Message:
    stored, pause = Message.of(row, whole=False), within(tx, reads.pause(row.lane_id, row.key))
    return stored if pause is None else stored.replace(held_up=pause_sentence(pause, row.key, now))


def _is_whole(text: str | None) -> bool:
    """Whether a text is stored unchanged: a lone surrogate becomes a question mark."""
    try:
        return text is None or text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _digest(body: str) -> str:
    import hashlib  # loads OpenSSL, which most commands do not need

    return hashlib.sha256(body.encode()).hexdigest()


# ---------------------------------------------------------------------------------------------- waiting


@verb(
    "GET /api/messages/{id}",
    result=Message,
    errors=(NotFound, WaitCycle),
    waiting=WaitOverHttp(
        patience="wait",
        waits=lambda params: params.get("wait") is not None,
        first={"wait": 0},
        again=lambda params, first: {"id": first.id, "waiting_run": params.get("waiting_run")},
        ended=lambda message: message.ended_at is not None,
    ),
)
def message(
    ctx: Context,
    id: Id,  # noqa: A002 - as it is called everywhere
    *,
    wait: Annotated[Seconds | None, NOT_TYPED, "seconds to wait for the end"] = None,
    waiting_run: Run = None,
) -> Effect[Message]:
    """One message; with `wait`, once it has ended or the time is over.

    The run that waits with it does not count as stalled meanwhile.
    """
    if wait is None:
        return made_of(reads.message(id), lambda row: NotFound("message", id) if row is None else Message.of(row))
    return _until_ended(ctx, id, wait, waiting_run)


def _until_ended(ctx: Context, number: int, patience_ms: int, run: int | None) -> Procedure[Message]:
    deadline = ctx.now().mono + patience_ms
    if run is not None:
        yield from write(begin_wait(ctx, run, number))
    while True:
        there = yield from read(reads.message(number))
        if there is None:
            raise NotFound("message", number)
        left = deadline - ctx.now().mono
        if there.state in TERMINAL or left <= 0:
            if run is not None:
                yield from write(end_wait(run, number))
            return Message.of(there)
        yield from wait_for_change(min(left, LOOK_AGAIN_MS) / 1000)


def begin_wait(ctx: Context, run: int, number: int) -> Step[bool | LanesError]:
    """Record that a run waits in this process for a message: until ``end_wait`` it does not count as stalled.

    Returns whether the run holds its lane, or WaitCycle if the message waits for the run.
    """
    now, waiter = ctx.now(), _waiter_here(run)

    def step(tx: Transaction) -> bool | LanesError:
        begun = doors.begin_wait(tx, waiter, number, now)
        return WaitCycle(begun.keys) if isinstance(begun, doors.WaitCircle) else begun

    return _without_orphaned_waits(step)


def end_wait(run: int, number: int) -> Step[None]:
    """Record that the run no longer waits in this process for the message."""
    waiter = _waiter_here(run)
    return lambda tx: doors.end_wait(tx, waiter, number)


def _without_orphaned_waits(step: Step[Any]) -> Step[Any]:
    """If a cycle of waits refuses a step, end the waits of processes that are gone, and try it again."""

    def tried(tx: Transaction) -> Any:
        done = step(tx)
        if not isinstance(done, WaitCycle):
            return done
        orphaned = [wait for wait in within(tx, reads.waits()) if is_gone(wait.process, this_process())]
        for wait in orphaned:
            doors.end_wait(tx, Waiter(wait.run_id, wait.process), wait.message_id)
        return step(tx) if orphaned else done

    return tried


def _waiter_here(run: int) -> Waiter:
    return Waiter(run, this_process())


def end_bound(ctx: Context, number: int, *, why: str) -> Step[bool]:
    """End a message whose client or waiter is gone: at once if it waits, by abort if it runs."""
    now = ctx.now()
    return lambda tx: doors.end_bound(tx, number, now, actor=ctx.actor, reason=why)
