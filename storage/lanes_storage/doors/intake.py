"""Accepts messages: the only code that creates lanes and messages."""

import json
from collections.abc import Sequence
from enum import StrEnum
from itertools import count
from typing import NamedTuple
from uuid import uuid4

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.aborts import interrupt_lane
from lanes_storage.doors.shared import end_waiting, event, write_events
from lanes_storage.doors.shared.loops import WaitCircle, begin_wait, chain_before, closes_cycle, guard_loop
from lanes_storage.doors.shared.sets import serialized
from lanes_storage.interface import Bindings, CommandStep, Transaction, call
from lanes_storage.law import HELD, MAX_KEY, BoundTo, Cause, EventType, MessageState, Mode, Overflow, PermittedBy
from lanes_storage.reads.shapes import to_question
from lanes_storage.records import Admission, NewMessage, RunFailure, RunQuestion, Waiter
from lanes_storage.statements import further


class Refusal(StrEnum):
    """Why a message was not accepted. Nothing was stored."""

    QUEUE_FULL = "queue_full"
    LANE_BUSY = "lane_busy"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    HOLD = "hold"  # only for a retry, like the next one
    PASSED = "passed"
    NO_LANE = "no_lane"  # only if the lane must exist
    NOT_ASKED = "not_asked"  # an answer without its question
    NO_OPTION = "no_option"  # an answer that is none of the options of the question
    OWNER_ENDED = "owner_ended"  # the owner that the message is bound to has ended, or drains


class Accepted(NamedTuple):
    """The message is stored. ``created`` is False if it was stored earlier, under the same idempotency key.

    For a new message: its lane, its position in that lane's queue, whether anything is paused, and when the message
    expires.
    """

    message_id: int
    created: bool
    lane_id: int | None = None
    position: int | None = None
    pauses: bool = False
    expires_at: int | None = None


class Placement(StrEnum):
    """How an accepted message gets its place in the queue."""

    FREE = "free"
    INTERRUPT = "interrupt"  # the active run and the waiting messages are ended
    DROP_OLDEST = "drop_oldest"  # the oldest waiting messages are dropped
    ANSWER = "answer"  # it answers the question of the active run, regardless of mode and cap


class Accept(NamedTuple):
    """The command: put a message at the end of its lane's queue. ``retry_of``: the dead letter that it repeats."""

    new: NewMessage
    admission: Admission
    now: Now
    retry_of: int | None = None

    @property
    def about(self) -> tuple[object, ...]:
        """A wait is checked for cycles across lanes, so only one command of a set may begin a wait."""
        return (self.new.key,) if self.admission.waiter is None else (self.new.key, Waiter)


class TargetLane(NamedTuple):
    """The lane that a message is for: a row of ``statements.TARGET_LANES`` after its place and the last ids."""

    lane_id: int
    state: str
    run_id: int | None
    head_id: int | None
    queued: int
    anonymous: bool = False
    question: str | None = None  # the open question of its run, unless that is to be aborted


class Same(NamedTuple):
    """A message that was accepted under the same idempotency key: a row of ``statements.FIND_IDEMPOTENT``."""

    digest: str
    message_id: int


def accept(
    new: NewMessage, admission: Admission, now: Now, *, retry_of: int | None = None
) -> CommandStep[Accepted | Refusal | WaitCircle]:
    """Store a message at the tail of its lane, or of a child lane of its session. A missing lane is created.

    ``admission`` is checked only for a new message, not for one that is already stored. In both cases, a run that will
    wait for the message must not close a cycle of waits. A refusal stores nothing.
    """
    return call(_each_beside if _runs_beside(new, admission) else enter, Accept(new, admission, now, retry_of))


@serialized
def enter(tx: Transaction, commands: Sequence[Accept]) -> list[Accepted | Refusal | WaitCircle]:
    """Read the lanes of the messages, decide about each message, and store the accepted ones."""
    targets, last = _target_lanes(tx, commands)
    decided = [
        _cycle(tx, command) or _owner_refusal(tx, command.new) or admit(command, lane, _same(tx, command.new))
        for command, lane in zip(commands, targets, strict=True)
    ]
    entering = [
        (command, lane, placement)
        for command, lane, placement in zip(commands, targets, decided, strict=True)
        if isinstance(placement, Placement)
    ]
    accepted = iter(_store(tx, entering, last) if entering else ())
    results = [next(accepted) if isinstance(one, Placement) else one for one in decided]
    for command, result in zip(commands, results, strict=True):
        if command.admission.waiter is not None and isinstance(result, Accepted):
            begin_wait(tx, command.admission.waiter, result.message_id, command.now)
    return results


# ------------------------------------------------------------------------------------------------ read


class Last(NamedTuple):
    """The last ids that were assigned, and whether anything is paused."""

    lane: int
    message: int
    pauses: bool


_KEYS = json.JSONEncoder(ensure_ascii=False)


def _target_lanes(tx: Transaction, commands: Sequence[Accept]) -> tuple[list[TargetLane | None], Last]:
    rows = tx.rows(sql.TARGET_LANES, (_KEYS.encode([command.new.key for command in commands]),))
    targets: list[TargetLane | None] = [None] * len(commands)
    for row in rows:
        if row[4] is not None:
            target, place = TargetLane._make(row[4:]), row[0]
            targets[place] = _with_session_head(tx, target) if commands[place].admission.if_idle else target
    _, lane, message, pauses, *_ = rows[0]
    return targets, Last(lane or 0, message or 0, bool(pauses))


def _with_session_head(tx: Transaction, target: TargetLane) -> TargetLane:
    """The lane; if it has no head, with one of another lane of its session, so that it counts as busy."""
    busy = target.head_id is None and tx.rows(further.BUSY_IN_SESSION, {"lane": target.lane_id})
    return target._replace(head_id=busy[0][0]) if busy else target


def _same(tx: Transaction, new: NewMessage) -> Same | None:
    found = tx.rows(sql.FIND_IDEMPOTENT, _name(new)) if new.idempotency is not None else None
    return Same(*found[0]) if found else None


def _name(new: NewMessage) -> dict[str, object]:
    assert new.idempotency is not None
    return {"lane_key": new.key, "token": new.idempotency.token, "key": new.idempotency.key}


def _owner_refusal(tx: Transaction, new: NewMessage) -> Refusal | None:
    """Refuse a message that nobody would run or end: the owner that it is bound to drains, or was declared gone while
    its process was suspended, which the process has not noticed yet."""
    owner = new.bound_owner
    return None if owner is None or tx.rows(sql.CLAIMING_OWNER, {"owner": owner}) else Refusal.OWNER_ENDED


def _cycle(tx: Transaction, command: Accept) -> WaitCircle | None:
    waiter = command.admission.waiter
    return None if waiter is None else closes_cycle(tx, waiter.run_id, command.new.key)


# ---------------------------------------------------------------------------------------------- decide


def admit(command: Accept, target: TargetLane | None, same: Same | None) -> Accepted | Refusal | Placement:
    """Whether a message is accepted, and how it gets its place; ``target`` is None if the lane does not exist yet."""
    admission, name = command.admission, command.new.idempotency
    if same is not None:
        known = name is not None and same.digest == name.digest
        return Accepted(same.message_id, created=False) if known else Refusal.IDEMPOTENCY_CONFLICT
    if target is None:
        if admission.known:
            return Refusal.NO_LANE
        return Placement.FREE if admission.cap >= 1 else Refusal.QUEUE_FULL
    question = to_question(target.question)
    if admission.answers is not None:
        return _answering(question, admission.answers, command.new.text or "")
    busy = target.state in HELD or target.head_id is not None
    if busy and admission.if_idle:
        return Refusal.LANE_BUSY
    if question is not None and _answers(command, question):
        return Placement.ANSWER
    if busy and admission.mode is Mode.REJECT:
        return Refusal.LANE_BUSY
    if admission.mode is Mode.INTERRUPT:
        return Placement.INTERRUPT
    if target.head_id is None or target.queued < admission.cap:
        return Placement.FREE
    return Refusal.QUEUE_FULL if admission.overflow is Overflow.REJECT else Placement.DROP_OLDEST


def _answering(question: RunQuestion | None, question_id: str, text: str) -> Refusal | Placement:
    """Place or refuse an explicit answer. ``question_id``: the question that it is for; empty: any open one."""
    if question is None or question.answer is not None or question_id not in ("", question.id):
        return Refusal.NOT_ASKED
    return Refusal.NO_OPTION if question.chosen(text) is None else Placement.ANSWER


def _answers(command: Accept, question: RunQuestion) -> bool:
    """Whether a message is the answer to an open question: the next text of the sender who was asked."""
    new, admission = command.new, command.admission
    plain = new.text is not None and new.bound_to is None and command.retry_of is None
    same_sender = (new.actor, new.sender) == (question.actor, question.sender)
    permitted = not question.permission or admission.permissions is PermittedBy.SENDER
    awaits_answer = question.answer is None and admission.answered
    return plain and same_sender and permitted and awaits_answer and question.chosen(new.text or "") is not None


# ----------------------------------------------------------------------------------------------- write


class _Entry(NamedTuple):
    """An accepted message with its ids, and what was read about its lane if that exists."""

    command: Accept
    target: TargetLane | None
    placement: Placement
    lane: int
    message: int
    pauses: bool
    depth: int | None
    expires_at: int | None

    @property
    def for_run(self) -> int | None:
        """The run that may take the message while it works."""
        steers = self.command.admission.mode is Mode.STEER and self.command.new.text is not None
        target = self.target
        return target.run_id if target is not None and (steers or self.placement is Placement.ANSWER) else None

    @property
    def accepted(self) -> Accepted:
        """The position counts only messages that are still waiting."""
        before = 0 if self.target is None or self.placement is Placement.INTERRUPT else self.target.queued
        place = min(before + 1, self.command.admission.cap) if self.placement is Placement.DROP_OLDEST else before + 1
        return Accepted(self.message, True, self.lane, place, self.pauses, self.expires_at)


def _store(
    tx: Transaction, entering: Sequence[tuple[Accept, TargetLane | None, Placement]], last: Last
) -> list[Accepted]:
    """Store messages, each for a different lane."""
    for (new, admission, now, _), target, placement in entering:
        if target is not None and placement is Placement.INTERRUPT:
            interrupt_lane(tx, target.lane_id, target.run_id, now, actor=new.actor)
        elif target is not None and placement is Placement.DROP_OLDEST:
            _drop_oldest(tx, target.lane_id, admission.cap, now, actor=new.actor)
    lanes, messages = count(last.lane + 1), count(last.message + 1)
    entries = []
    for command, target, placement in entering:
        lane = next(lanes) if target is None else target.lane_id
        depth, until = chain_before(tx, command.new), _expires_at(command)
        entries.append(_Entry(command, target, placement, lane, next(messages), last.pauses, depth, until))
    tx.many(sql.MAKE_LANE, [_lane(each) for each in entries if each.target is None])
    rows = [(_common_values(each), _other_values(each)) for each in entries]
    tx.many(sql.MAKE_TEXT, [common for common, others in rows if others == _NO_OTHER_VALUES])
    tx.many(sql.MAKE_MESSAGE, [common + others for common, others in rows if others != _NO_OTHER_VALUES])
    tx.many(sql.NEW_TAIL, [(each.message, each.command.now.wall, each.lane) for each in entries])
    answers = [{"run": each.for_run, "message": each.message} for each in entries if each.placement is Placement.ANSWER]
    tx.many(further.NOTE_ANSWER, answers)
    tx.many(sql.MAKE_IDEMPOTENT, [_named(each) for each in entries if each.command.new.idempotency])
    write_events(tx, [_event(each) for each in entries])
    return [each.accepted._replace(pauses=True) if _guarded(tx, each) else each.accepted for each in entries]


def _guarded(tx: Transaction, entry: _Entry) -> bool:
    """Whether the message paused its lane."""
    admission = entry.command.admission
    if entry.depth is None and admission.max_per_minute is None:
        return False
    return guard_loop(tx, entry.lane, entry.depth, admission, entry.command.now)


def _lane(entry: _Entry) -> Bindings:
    new, now = entry.command.new, entry.command.now.wall
    return entry.lane, new.key, new.anonymous, now, now


def _common_values(entry: _Entry) -> tuple[object, ...]:
    """The values that every message has."""
    new, target = entry.command.new, entry.target
    anonymous = new.once or (new.anonymous if target is None else target.anonymous)
    return entry.message, entry.lane, new.text, new.actor, anonymous, entry.command.now.wall


def _other_values(entry: _Entry) -> tuple[object, ...]:
    """The other values of a message; in most messages, all are null."""
    new, _, _, retry_of = entry.command
    fields = (new.request, new.runner, new.fresh or None, new.sender, new.source, new.bound_to, new.bound_owner)
    return *fields, entry.for_run, retry_of, entry.expires_at, entry.depth, new.acts or None


_NO_OTHER_VALUES = (None,) * 12


def _expires_at(command: Accept) -> int | None:
    """When (wall time) the message has waited too long. A hold has no such limit: its waiter gives it up."""
    longest = command.admission.max_wait_ms
    return None if longest is None or command.new.bound_to is BoundTo.WAITER else command.now.wall + longest


def _named(entry: _Entry) -> Bindings:
    new, now = entry.command.new, entry.command.now.wall
    assert new.idempotency is not None
    return _name(new) | {"digest": new.idempotency.digest, "message": entry.message, "now": now}


def _event(entry: _Entry) -> Bindings:
    new, _, now, _ = entry.command
    return event(EventType.ACCEPTED, now, lane=entry.lane, message=entry.message, actor=new.actor)


def _drop_oldest(tx: Transaction, lane: int, cap: int, now: Now, *, actor: str) -> None:
    """Drop the longest-waiting messages until there is room for one more. The journal keeps their content."""
    waiting = [message for (message,) in tx.rows(sql.WAITING_OF_LANE, {"lane": lane})]
    failure = RunFailure(Cause.OVERFLOW, f"the queue was full ({cap} waiting), and a newer message came")
    for message in waiting[: len(waiting) - cap + 1]:
        end_waiting(tx, message, MessageState.DROPPED, failure, now, actor=actor)


# ----------------------------------------------------------------------------------------- child lanes


def _runs_beside(new: NewMessage, admission: Admission) -> bool:
    """Whether a message may run beside others of its session, as only a request may, since it has its own history. An
    idempotency key and the wait of a run belong to the lane of the session, so such a message may not."""
    return admission.concurrency > 1 and new.request is not None and (new.idempotency or admission.waiter) is None


def _each_beside(tx: Transaction, commands: Sequence[Accept]) -> list[Accepted | Refusal | WaitCircle]:
    return [enter_beside(tx, new, admission, now, retry_of=retry_of) for new, admission, now, retry_of in commands]


def enter_beside(
    tx: Transaction, new: NewMessage, admission: Admission, now: Now, *, retry_of: int | None = None
) -> Accepted | Refusal | WaitCircle:
    """Accept a message of a session for one of its child lanes: a free one, otherwise a new one, otherwise the one
    where the fewest wait. The lane of the session itself lists its children.
    """
    if new.anonymous and any(run or head for *_, run, head in tx.rows(sql.FIND_LANE, {"key": new.key})):
        new = new._replace(key=_longer(new.key, f" #{uuid4().hex}"))  # the same request twice at a time: two lanes
    if new.anonymous or admission.concurrency == 1:
        return enter(tx, [Accept(new, admission, now)])[0]
    tx.run(further.MAKE_SESSION_LANE, {"key": new.key, "parent": None, "now": now.wall})
    parent = tx.rows(sql.FIND_LANE, {"key": new.key})[0][0]
    if admission.if_idle and tx.rows(further.BUSY_IN_SESSION, {"lane": parent}):
        return Refusal.LANE_BUSY  # before a child lane is created
    key = _child(tx, parent, new.key, admission.concurrency)
    tx.run(further.MAKE_SESSION_LANE, {"key": key, "parent": parent, "now": now.wall})
    return enter(tx, [Accept(new._replace(key=key), admission, now, retry_of)])[0]


def _child(tx: Transaction, parent: int, key: str, width: int) -> str:
    """The key of the child that takes the next message."""
    children = tx.rows(further.CHILD_LANES, {"parent": parent})
    busy = [child for child in children if not child[2]]
    if len(busy) >= width or len(busy) < len(children):
        return str((busy if len(busy) >= width else children)[0][1])
    number = len(children) + 1
    while tx.rows(sql.FIND_LANE, {"key": child_key(key, number)}):
        number += 1
    return child_key(key, number)


def child_key(key: str, number: int) -> str:
    """The key of a child lane, which nobody can name: it has a control character, which no session key may have."""
    return _longer(key, f"\x1f{number}")


def _longer(key: str, end: str) -> str:
    return key[: MAX_KEY - len(end)] + end
