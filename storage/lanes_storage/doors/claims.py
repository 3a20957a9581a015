"""The claim: how a released lane comes to be held."""

from collections.abc import Sequence
from typing import NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.shared.endings import end_waiting
from lanes_storage.doors.shared.journal import event, next_epochs, record, tell
from lanes_storage.doors.shared.sets import apart, array
from lanes_storage.interface import CommandStep, Given, Row, Transaction, call
from lanes_storage.law import (
    MAX_BATCH,
    MAX_INTERRUPTIONS,
    BoundTo,
    Cause,
    EventType,
    LaneState,
    MessageState,
    RunnerKind,
)
from lanes_storage.reads.shapes import to_attempts
from lanes_storage.records import Claimed, Head, MessageRow, RunFailure, Terms, Ticket, WaitingMessage


def candidates(
    tx: Transaction, owner: int, now: Now, *, after: int = 0, limit: int = 64, bound_only: bool = False
) -> list[Head]:
    """Heads of lanes that nothing in the database keeps from being claimed by ``owner``.

    The longest wait first, from the head behind ``after`` on. ``bound_only``: those bound to it, and no others.
    """
    statement = sql.BOUND_CANDIDATES if bound_only else sql.CANDIDATES
    rows = tx.rows(f"{statement} LIMIT {limit:d}", {"after": after, "owner": owner, "now": now.wall})
    return [_to_head(row) for row in rows]


def candidates_among(tx: Transaction, owner: int, now: Now, heads: Sequence[int]) -> list[Head]:
    """Those of these heads that ``owner`` might claim now, the longest wait first."""
    params = {"heads": array([*heads]), "after": 0, "owner": owner, "now": now.wall}
    return [_to_head(row) for row in tx.rows(sql.CHOSEN_CANDIDATES, params)]


def _to_head(row: Row) -> Head:
    return Head(row[0], row[1], LaneState.read(row[2]), *row[3:])


def suspects_running(tx: Transaction) -> int:
    """How many held lanes run a message that was interrupted almost too often."""
    return int(tx.rows(sql.COUNT_SUSPECTS, {"suspect": MAX_INTERRUPTIONS - 1})[0][0])


def collectable(tx: Transaction, head: Head) -> list[WaitingMessage]:
    """The messages that would be answered together with ``head``, itself the first.

    Those that it was claimed with before; else the texts that follow it without a gap, for the same runner. One that
    was cut runs by itself: if it takes its gateway down, it takes no other message with it.
    """
    rows = tx.rows(f"{sql.COLLECTABLE} LIMIT {MAX_BATCH}", {"lane": head.lane_id})
    waiting = [WaitingMessage(*row) for row in rows]
    first = waiting[0]
    members = [first]
    for message in waiting[1:]:
        together = message.batch == first.batch if first.batch is not None else _alike(first, message)
        if not together:
            break
        members.append(message)
    return members


def _alike(first: WaitingMessage, message: WaitingMessage) -> bool:
    plain = all(m.text is not None and m.bound_to is None and m.batch is None for m in (first, message))
    return plain and first.runner == message.runner and not first.interruptions


class Claim(NamedTuple):
    """The command: an owner takes the lane of ``head``, to run it and what is answered together with it.

    ``members``: those messages, ``head`` the first of them; empty: it alone.
    """

    head: Head
    owner: int
    runner: str
    kind: RunnerKind
    terms: Terms
    now: Now
    members: Sequence[int] = ()

    @property
    def taken(self) -> tuple[int, ...]:
        return tuple(self.members) or (self.head.message_id,)

    @property
    def batch(self) -> int | None:
        return self.taken[-1] if len(self.taken) > 1 else None


def claim(
    head: Head,
    owner: int,
    runner: str,
    kind: RunnerKind,
    terms: Terms,
    now: Now,
    *,
    members: Sequence[int] = (),
) -> CommandStep[Claimed | None]:
    """Take the lane for ``head`` under a new epoch, and for ``members`` with it, of which it is the first.

    None: the lane is no longer as ``head`` was read (held, paused, or another head).
    """
    return call(take, Claim(head, owner, runner, kind, terms, now, members))


def _of_lane(command: Claim) -> tuple[int]:
    return (command.head.lane_id,)


@apart(_of_lane)
def take(tx: Transaction, claims: Sequence[Claim]) -> list[Claimed | None]:
    """Read which lanes are still as their heads were read, and take those under epochs of their own."""
    free = _free(tx, claims)
    taken = [_Taken(*each, run) for each, run in zip(free, next_epochs(tx, len(free)), strict=True)]
    landed = tx.many(sql.CLAIM_LANE, [_lane(each) for each in taken])
    assert landed == len(taken), "the free lanes were read in this transaction"
    tx.many(sql.END_PAUSES, [(each.claim.head.lane_id,) for each in taken if each.claim.head.paused_before])
    tx.many(sql.MAKE_RUN, [_run(each) for each in taken])
    tx.many(sql.START_MESSAGE, [_start(each, message) for each in taken for message in each.claim.taken])
    tell(tx, [_event(each) for each in taken])
    claimed: list[Claimed | None] = [None] * len(claims)
    for each in taken:
        claimed[each.place] = _claimed(tx, each)
    return claimed


class _Standing(NamedTuple):
    """The message that a run is for: a row of ``statements.STANDING_HEADS`` behind the place of its claim."""

    id: int
    lane_id: int
    key: str
    text: str | None
    request: str | None
    runner: str | None
    actor: str
    bound_to: str | None
    bound_owner: int | None
    interruptions: int
    parked_since: int | None
    retry_of: int | None
    accepted_at: int
    started_at: int | None
    attempts: str | None


class _Taken(NamedTuple):
    """A claim that lands, by its place: under which epoch, and the message as it was before."""

    place: int
    claim: Claim
    read: _Standing
    run: int


def _free(tx: Transaction, claims: Sequence[Claim]) -> list[tuple[int, Claim, _Standing]]:
    """The claims that find their lanes as they were read."""
    heads = array([[each.head.lane_id, each.head.message_id, each.now.wall, each.taken[-1]] for each in claims])
    return [(place, claims[place], _Standing(*row)) for place, *row in tx.rows(sql.STANDING_HEADS, (heads,))]


def _lane(each: _Taken) -> Given:
    claim, head = each.claim, each.claim.head
    return each.run, each.run, head.lane_id, claim.taken[-1], claim.now.wall, head.lane_id, head.message_id


def _run(each: _Taken) -> Given:
    head, owner, runner, kind, terms, now, _ = each.claim
    moment = (now.wall, now.boot, now.slept)
    of_run = (each.run, head.lane_id, each.read.id, owner, runner, str(kind), *terms)
    return *of_run, *moment, now.boot_id, *moment, head.message_id


def _start(each: _Taken, message: int) -> Given:
    claim = each.claim
    return each.run, claim.batch, claim.head.parked_since, claim.now.wall, message


def _event(each: _Taken) -> Given:
    head, taken = each.claim.head, each.claim.taken
    return event(
        EventType.CLAIM,
        each.claim.now,
        lane=head.lane_id,
        from_state=str(head.state),
        to_state=str(LaneState.RUNNING),
        run=each.run,
        message=taken[-1],
        epoch=each.run,
        actor=f"owner:{each.claim.owner}",
        detail={"members": [*taken]} if len(taken) > 1 else None,
    )


def _claimed(tx: Transaction, each: _Taken) -> Claimed:
    """The message as its runner sees it: a collected one with the texts of all, a blank line between them."""
    claim, read = each.claim, each.read
    text, bound_to = read.text, None if read.bound_to is None else BoundTo.read(read.bound_to)
    if claim.batch is not None:
        together = tx.rows(sql.BATCH, {"batch": claim.batch, "state": MessageState.RUNNING})
        text = "\n\n".join(text for _, text in together)
    message = MessageRow(
        read.id,
        read.lane_id,
        read.key,
        MessageState.RUNNING,
        text,
        read.request,
        read.runner,
        read.actor,
        bound_to,
        read.bound_owner,
        each.run,
        interruptions=read.interruptions,
        parked_since=read.parked_since if claim.head.parked_since is None else claim.head.parked_since,
        retry_of=read.retry_of,
        batch=claim.batch,
        accepted_at=read.accepted_at,
        started_at=claim.now.wall if read.started_at is None else read.started_at,
        attempts=to_attempts(read.attempts),
    )
    return Claimed(Ticket(each.run, each.run), message, claim.terms, claim.taken)


def postpone(tx: Transaction, head: Head, until: int, max_park_ms: int, now: Now) -> MessageState:
    """Let an unclaimed head wait for a provider until ``until`` (wall time).

    A head that has waited ``max_park_ms`` over all its parks, or would have to, ends ``failed`` instead.
    Returns the state that the message is in afterwards.
    """
    since = now.wall if head.parked_since is None else head.parked_since
    if until > since + max_park_ms:
        failure = RunFailure(Cause.PROVIDER_COOLING, "no provider became available in time")
        end_waiting(tx, head.message_id, MessageState.FAILED, failure, now, actor="lanes")
        return MessageState.FAILED
    tx.run(sql.POSTPONE_MESSAGE, {"message": head.message_id, "until": until, "now": now.wall})
    record(
        tx,
        EventType.POSTPONED,
        now,
        lane=head.lane_id,
        message=head.message_id,
        actor="lanes",
        cause=Cause.PROVIDER_COOLING,
        detail={"until": until},
    )
    return MessageState.QUEUED
