"""Claims: how a run takes a free lane, how an unclaimed head waits for a provider, and the budgets of lanes."""

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.conversations import begin_conversation
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.doors.providers import known, note_request
from lanes_storage.doors.shared import batch_members, end_waiting, event, next_epochs, record, write_events
from lanes_storage.doors.shared.ends import ParkLimit, parking, retry_at
from lanes_storage.doors.shared.sets import array, serialized
from lanes_storage.interface import Bindings, CommandStep, Row, Transaction, call, within
from lanes_storage.law import (
    MAX_BATCH,
    BoundTo,
    Cause,
    EventType,
    LaneState,
    MessageState,
    PauseKind,
    RunnerKind,
    together,
)
from lanes_storage.reads.limits import since
from lanes_storage.reads.limits import spent as used
from lanes_storage.reads.shapes import optional, to_attempts
from lanes_storage.records import (
    BudgetTerms,
    Claimed,
    FreeHead,
    Head,
    MessageRow,
    ProcessIdentity,
    RetryTerms,
    RunFailure,
    Spent,
    Terms,
    Ticket,
    WaitingMessage,
)
from lanes_storage.statements import further


def candidates(
    tx: Transaction, owner: int, now: Now, *, after: int = 0, limit: int = 64, bound_only: bool = False
) -> list[Head]:
    """The first waiting messages of lanes that ``owner`` may claim, as far as the database decides.

    The longest wait comes first, beginning after the head ``after``. ``bound_only``: only messages bound to ``owner``.
    """
    statement = sql.BOUND_CANDIDATES if bound_only else sql.CANDIDATES
    rows = tx.rows(f"{statement} LIMIT {limit:d}", {"after": after, "owner": owner, "now": now.wall})
    return [_to_head(row) for row in rows]


def candidates_among(tx: Transaction, owner: int, now: Now, heads: Sequence[int]) -> list[Head]:
    """Which of these heads ``owner`` may claim now, the longest wait first."""
    params = {"heads": array([*heads]), "owner": owner, "now": now.wall}
    # sorted here: SQLite would spend another third of the query's time on it
    return sorted(map(_to_head, tx.rows(sql.CHOSEN_CANDIDATES, params)), key=attrgetter("message_id"))


def _to_head(row: Row) -> Head:
    return Head(row[0], row[1], LaneState.read(row[2]), *row[3:])


def collectable(tx: Transaction, head: Head) -> list[WaitingMessage]:
    """The messages that would be answered together with ``head``, starting with ``head``.

    If ``head`` was claimed together with others before, these; otherwise the texts directly after it for the same
    runner. A message that was interrupted runs alone: if it crashes its gateway, no other message is affected.
    """
    rows = tx.rows(f"{sql.COLLECTABLE} LIMIT {MAX_BATCH}", {"lane": head.lane_id})
    first, *others = (WaitingMessage(*row) for row in rows)
    members = [first]
    for message in others:
        together = message.batch == first.batch if first.batch is not None else _alike(first, message)
        if not together:
            break
        members.append(message)
    return members


def _alike(first: WaitingMessage, message: WaitingMessage) -> bool:
    plain = all(m.text is not None and m.bound_to is None and m.batch is None for m in (first, message))
    return plain and first.runner == message.runner and not first.interruptions and not message.fresh


class Claim(NamedTuple):
    """The command: an owner takes the lane of ``head``, to run ``head`` and the messages answered together with it.

    ``members`` are those messages, starting with ``head``. ``provider``: where the run gets a place.
    """

    head: Head
    owner: int
    runner: str
    kind: RunnerKind
    terms: Terms
    now: Now
    members: tuple[int, ...]
    provider: str | None = None

    @property
    def about(self) -> tuple[int]:
        return (self.head.lane_id,)

    @property
    def batch(self) -> int | None:
        return self.members[-1] if len(self.members) > 1 else None


def claim(
    head: Head,
    owner: int,
    runner: str,
    kind: RunnerKind,
    terms: Terms,
    now: Now,
    *,
    members: Sequence[int] = (),
    provider: str | None = None,
) -> CommandStep[Claimed | None]:
    """Take the lane of ``head`` under a new epoch, to run ``head`` and the other ``members`` (empty: ``head`` alone),
    with a place at ``provider`` if one is named.

    Returns None if the lane has changed since ``head`` was read (it is held, paused, or has another head).
    """
    all_of_them = tuple(members) or (head.message_id,)
    return call(take, Claim(head, owner, runner, kind, terms, now, all_of_them, provider))


@serialized
def take(tx: Transaction, claims: Sequence[Claim]) -> list[Claimed | None]:
    """Read which lanes are unchanged since their heads were read, and claim these under new epochs."""
    collected = any(len(each.members) > 1 for each in claims)
    params = {
        "heads": array([each.head.message_id for each in claims]),
        "lasts": array([each.members[-1] for each in claims]) if collected else None,
        "times": array([each.now.wall for each in claims]),
    }
    found = map(FreeHead._make, tx.rows(sql.UNCHANGED_HEADS, params))
    free = [each for each in found if each.lane_id == claims[each.place].head.lane_id]
    granted = [
        _GrantedClaim(claims[each.place], each, run) for each, run in zip(free, next_epochs(tx, len(free)), strict=True)
    ]
    for each in granted:
        if each.claim.head.fresh:
            begin_conversation(tx, each.claim.head.lane_id, each.claim.now, actor=f"owner:{each.claim.owner}")
    changed = tx.many(sql.CLAIM_LANE, [_lane(each) for each in granted])
    assert changed == len(granted), "the free lanes were read in this transaction"
    tx.many(sql.END_PAUSES, [(each.claim.head.lane_id,) for each in granted if each.claim.head.paused_before])
    tx.many(sql.MAKE_RUN, [_run(each) for each in granted])
    tx.many(sql.START_MESSAGE, [_start(each, message) for each in granted for message in each.claim.members])
    for each in granted:
        if each.claim.provider is not None:
            note_request(tx, each.run, each.claim.provider, each.claim.now)
    write_events(tx, [_event(each) for each in granted])
    claimed: list[Claimed | None] = [None] * len(claims)
    for each in granted:
        claimed[each.free.place] = _claimed(tx, each)
    return claimed


class _GrantedClaim(NamedTuple):
    """A claim that takes effect, with the new epoch."""

    claim: Claim
    free: FreeHead
    run: int


def _lane(each: _GrantedClaim) -> Bindings:
    claim, head = each.claim, each.claim.head
    return each.run, each.run, head.lane_id, claim.members[-1], claim.now.wall, head.lane_id, head.message_id


def _run(each: _GrantedClaim) -> Bindings:
    head, owner, runner, kind, terms, now, members, provider = each.claim
    moment = (now.wall, now.boot, now.slept)
    of_run = (each.run, head.lane_id, members[-1], owner, runner, str(kind), *terms)
    return *of_run, *moment, now.boot_id, *moment, provider, head.message_id


def _start(each: _GrantedClaim, message: int) -> Bindings:
    claim = each.claim
    return each.run, claim.batch, claim.head.parked_since, claim.now.wall, message


_RUNNING = str(LaneState.RUNNING)


def _event(each: _GrantedClaim) -> Bindings:
    head, members, run = each.claim.head, each.claim.members, each.run
    return event(
        EventType.CLAIM,
        each.claim.now,
        lane=head.lane_id,
        from_state=str(head.state),
        to_state=_RUNNING,
        run=run,
        message=members[-1],
        epoch=run,
        actor=f"owner:{each.claim.owner}",
        detail={"members": [*members]} if len(members) > 1 else None,
    )


def _claimed(tx: Transaction, each: _GrantedClaim) -> Claimed:
    """The message for the runner; for messages answered together, the last one with all texts, separated by blank
    lines."""
    claim, free, run = each
    batch, text = claim.batch, free.text
    if batch is not None:
        text = together(batch_members(tx, batch, MessageState.RUNNING).values())
    fields = (free.id, free.lane_id, free.key, MessageState.RUNNING, text, free.request, free.runner, free.actor)
    row = MessageRow(
        *fields,
        optional(BoundTo.read, free.bound_to),
        free.bound_owner,
        run,
        interruptions=free.interruptions,
        parked_since=free.parked_since if claim.head.parked_since is None else claim.head.parked_since,
        retry_of=free.retry_of,
        batch=batch,
        accepted_at=free.accepted_at,
        started_at=claim.now.wall if free.started_at is None else free.started_at,
        attempts=to_attempts(free.attempts),
    )
    return Claimed(Ticket(run, run), row, claim.terms, claim.members)


def attach_process(tx: Transaction, ticket: Ticket, child: ProcessIdentity, process_group: int) -> bool:
    """Store the child of a command run and its process group before the command may start.

    Returns False if the command must not start.
    """
    values = child._asdict() | {"run": ticket.run_id, "epoch": ticket.epoch, "process_group": process_group}
    return tx.run(sql.SET_PROCESS, values) == 1


def keep_session(
    tx: Transaction, ticket: Ticket, runner: str, session: str | None, used: Mapping[str, float] | None = None
) -> bool:
    """Store, for the run's lane, the name that the runner's agent gave the conversation, and the usage that the agent
    reported; None removes both.

    Returns False if the run has lost the lane; then the stored id stays.
    """
    stored = json.dumps({runner: {"id": session, "used": used} if session is not None and used else session})
    values = {"run": ticket.run_id, "epoch": ticket.epoch, "session": stored}
    return tx.run(further.KEEP_SESSION, values) == 1


def postpone(
    tx: Transaction,
    head: Head,
    until: int,
    max_park_ms: int,
    now: Now,
    retry: RetryTerms | None = None,
    *,
    providers: Sequence[str] = (),
) -> MessageState:
    """Let an unclaimed head wait for one of ``providers`` until ``until`` (wall time); returns the new state of its
    message.

    A message that has waited ``max_park_ms`` in total, or would exceed it, ends ``failed`` instead, unless ``retry``
    parks it once more. For the message of a waiting client, ``ParkLimit`` may be shorter.
    """
    since, cooling = now.wall if head.parked_since is None else head.parked_since, Cause.PROVIDER_COOLING
    detail: dict[str, Any] = {"until": until}
    may_end = head.bound_to is not None or until > since + max_park_ms
    rows = [row for each in providers if (row := known(tx, each, None)).cause is not None] if may_end else []
    limit = ParkLimit.of(max_park_ms, head.bound_to, {str(row.cause) for row in rows})
    if limit.allows(since, until):
        retry = None
    else:
        refusals = "; ".join(f"{row.provider}: {row.cause} ({row.message})" for row in rows)
        failure, retry = limit.passed(RunFailure(cooling, f"no provider takes it now: {refusals}")), limit.again(retry)
        again = retry_at(retry, failure, head.message_id, head.retries, head.accepted_at, now)
        if retry is None or again is None:
            end_waiting(tx, head.message_id, MessageState.FAILED, failure, now, actor="lanes")
            return MessageState.FAILED
        until, detail = again, {"until": again, "retry": head.retries + 1} | ({} if retry.hold else {"aside": True})
    tx.run(sql.PARK_MESSAGE, parking(head.message_id, MessageState.QUEUED, until, now, providers, retry))
    if "aside" in detail:
        tx.run(sql.RESET_HEAD, {"lane": head.lane_id, "now": now.wall})
    fields = {"lane": head.lane_id, "message": head.message_id, "cause": cooling, "detail": detail}
    record(tx, EventType.POSTPONED, now, **fields, actor="lanes")
    return MessageState.QUEUED


# --------------------------------------------------------------------------------------------- budgets


class Exhausted(NamedTuple):
    """A budget that is used up, with what was used of it."""

    budget: BudgetTerms
    spent: Spent

    @property
    def reason(self) -> str:
        budget, spent = self.budget, self.spent
        amounts = [
            f"{spent.runs} of {budget.runs} runs" if budget.runs is not None else "",
            f"{spent.tokens} of {budget.tokens} tokens" if budget.tokens is not None else "",
            f"{spent.cost_micros / 1e6:.4g} of {budget.cost_micros / 1e6:.4g} US dollars"
            if budget.cost_micros is not None
            else "",
        ]
        scope = f" of all lanes of {budget.name}" if budget.name else ""
        return f"the budget{scope} is used up: {', '.join(filter(None, amounts))} in {budget.per_ms // 1000} s"


def exhausted(tx: Transaction, lane: int, budgets: Sequence[BudgetTerms], now: Now) -> Exhausted | None:
    """The first of ``budgets`` that is used up; None: the lane may run."""
    for budget in budgets:
        spent = within(tx, used(budget, lane, now))
        if spent.exhausts(budget):
            return Exhausted(budget, spent)
    return None


def refuse_over(tx: Transaction, head: Head, over: Exhausted, now: Now) -> None:
    """Pause the lane until the oldest usage no longer counts; or end its head, if the budget has ``reject``."""
    if over.budget.reject:
        failure = RunFailure(Cause.OVER_BUDGET, over.reason)
        end_waiting(tx, head.message_id, MessageState.FAILED, failure, now, actor="lanes")
        return
    until = over.spent.until
    pause_lane(tx, head.lane_id, PauseKind.BUDGET, now, actor="lanes", reason=over.reason, until=until)


def spend(
    tx: Transaction,
    lane: int,
    budgets: Sequence[BudgetTerms],
    now: Now,
    *,
    runs: int = 0,
    tokens: int = 0,
    cost_micros: int = 0,
) -> None:
    for budget in budgets:
        of, bucket = {"name": budget.name, "lane": lane}, now.wall // budget.bucket_ms * budget.bucket_ms
        tx.run(further.FORGET_SPENT, of | {"after": since(budget, now)})
        amounts = {"runs": runs, "tokens": tokens, "cost_micros": cost_micros}
        tx.run(further.SPEND, of | {"bucket": bucket} | amounts)
