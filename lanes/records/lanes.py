"""Records of lanes, and of the runs that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lanes.records.liveness import Liveness
from lanes.records.record import Record
from lanes.text import ages
from lanes_storage import records as rows
from lanes_storage.law import Cause, LaneState, RunnerKind, SourceState, WatchedState

if TYPE_CHECKING:
    from lanes.records.kinds import INLINE, OPEN, UNUSUAL, ByState, Count, Id, Key, Moment, Money, Number, Seconds

#: The source of lanes that are rows of this database.
HERE = "here"


class Owner(Record):
    """The process that holds a lane."""

    id: Id
    host: str
    pid: Count
    alive: Annotated[bool, "as far as this process can know"]

    @classmethod
    def of(cls, row: rows.OwnerRow, liveness: Liveness) -> Owner:
        """An owner, and whether it lives."""
        return Owner(row.id, row.host, row.pid, liveness.lives(row))


class Pause(Record):
    """Why a lane claims nothing."""

    reason: str
    until: Annotated[Moment | None, "null: until someone resumes it"]
    match: Annotated[str | None, UNUSUAL, "the glob over keys that is paused; left out: the lane itself is"] = None

    @classmethod
    def of(cls, row: rows.PauseRow, liveness: Liveness) -> Pause | None:
        """The record of a row; None if the pause is over."""
        is_over = row.until is not None and row.until <= liveness.now.wall
        return None if is_over else Pause(row.reason, row.until, row.pattern)


class LastError(Record):
    """How the last run of a lane failed."""

    cause: Annotated[Cause, OPEN]
    message: str
    at: Moment


class NextLimit(Record):
    """The limit that will end a run, or its attempt at a provider, if it stays silent."""

    limit: Annotated[str, "`run_timeout`, `stall_timeout`, a limit of a provider, or of its `question`"]
    limit_ms: Seconds
    left_ms: Annotated[Seconds, "until it acts; negative: it is overdue"]
    provider: Annotated[str | None, "the provider of the attempt; null: the limit ends the run"]
    attempt: Annotated[Count | None, "its number in the chain of `attempts`"]
    attempts: Count | None
    next_provider: Annotated[str | None, "the provider that is asked next; null: none, and the run fails"]
    exhausted_ms: Annotated[Seconds | None, "until the whole chain has failed, if no provider answers"]

    @classmethod
    def of(cls, run: rows.RunRow, owner: rows.OwnerRow | None, liveness: Liveness) -> NextLimit | None:
        """The limit that acts next; None: no limit, an abort is requested, or its owner is not alive to enforce it."""
        if owner is None or run.abort_at is not None or not liveness.acts(owner):
            return None
        if run.question is not None and (left := ages.question_left_ms(run, liveness.now)) > 0:
            return NextLimit("question", run.question.limit_ms, left, None, None, None, None, None)
        limit = next(iter(ages.limits(run, liveness.now)), None)
        if limit is None:
            return None
        if (attempt := limit.attempt) is None:
            return NextLimit(limit.name, limit.of_ms, limit.left_ms, None, None, None, None, None)
        chain = (attempt.provider, attempt.number, attempt.of, attempt.next, limit.exhausted_ms)
        return NextLimit(limit.name, limit.of_ms, limit.left_ms, *chain)


#: The word for what a run waits for while it asks its sender.
INPUT = "input"


class AskedQuestion(Record):
    """The open question of a lane's run to its sender."""

    id: str
    text: str
    actor: Annotated[str, "who may answer by a message: the actor of the message that started the run"]
    sender: Annotated[str | None, "and the person who wrote that, if the actor named one"]
    asked_at: Moment
    left_ms: Annotated[Seconds, "until it is closed without an answer; 0: this is overdue"]
    permission: Annotated[bool, "an operator must answer, unless a policy lets the sender; no answer counts as a no"]
    options: Annotated[tuple[str, ...], "the words that are answers; empty: any text"]
    answer: Annotated[Id | None, UNUSUAL, "the message that answers it, until the run takes that"] = None

    @classmethod
    def of(cls, run: rows.RunRow, liveness: Liveness) -> AskedQuestion | None:
        """The open question of a run, or None."""
        if (question := run.question) is None:
            return None
        asker = (question.actor, question.sender, question.at, ages.question_left_ms(run, liveness.now))
        return AskedQuestion(question.id, question.text, *asker, question.permission, question.options, question.answer)


class WatchedLane(Record):
    """What is seen of a lane in another program's gateway."""

    state: Annotated[WatchedState, "`ghost`: it runs, and its gateway says that nothing does; `stale`: the opposite"]
    runs: Annotated[tuple[str, ...], "the gateway's ids of what runs"]
    waiting: Annotated[Count | None, "messages that wait there; null: the gateway does not say"]
    outcome: Annotated[str | None, "how its last run ended, in the gateway's word"]
    gateway: Annotated[SourceState, "whether its gateway can be watched"]
    from_files: Annotated[bool, "read from the files of the gateway, which does not answer"]
    changed_at: Moment
    gateway_since: Annotated[Moment | None, "when its gateway came into this state"] = None

    @classmethod
    def of(cls, row: rows.SightingRow) -> WatchedLane:
        """The record of a sighting."""
        seen, gateway = row.seen, row.source
        there = (seen.state, seen.runs, seen.waiting, seen.outcome)
        return WatchedLane(*there, gateway.state, row.from_files, row.changed_at, gateway.changed_at)

    @property
    def outdated(self) -> bool:
        """Whether this was seen before its gateway stopped answering; its runs may have ended since."""
        return self.gateway is not SourceState.CONNECTED and not self.from_files


class Used(Record):
    """What the runs of a lane used and cost, as far as providers and agents told."""

    input_tokens: Count
    output_tokens: Count
    cost_usd: Annotated[Money | None, "null: no price is known"] = None

    @classmethod
    def of(cls, row: rows.RunUsage) -> Used:
        """The record of the counts of a row."""
        return Used(row.input_tokens, row.output_tokens, None if row.cost_micros is None else row.cost_micros / 1e6)


class Lane(Record):
    """A lane with its run, its owner and its queue."""

    key: Annotated[Key, "kept exactly"]
    state: Annotated[LaneState, "only `running` holds the lane"]
    epoch: Annotated[Count, "the fencing token of the lane"]
    paused: Annotated[Pause | None, "why and until when it claims nothing; null: it is not paused"]
    queued: Annotated[Count, "the number of waiting messages, of a session in all its child lanes"]
    head_wait_ms: Annotated[Seconds | None, "how long the first of them has waited"]
    interruptions: Annotated[Count, "of the running message, otherwise of the head"]
    parked_until: Annotated[Moment | None, "its head waits for a provider until this time"]
    held_ms: Annotated[Seconds | None, "how long the run has held it"]
    deadline_ms: Annotated[
        Seconds | None, "the time left of run_timeout, negative if overdue; null: no limit, or not held"
    ]
    stall_limit_ms: Annotated[Seconds | None, "stall_timeout of the run; null: no limit, or not held"]
    heartbeat_age_ms: Annotated[Seconds | None, "the age of the last heartbeat of its owner"]
    progress_age_ms: Annotated[Seconds | None, "the age of the last progress of its run"]
    progress: Annotated[str | None, "the kind of that progress"]
    owner: Annotated[Owner | None, "the process that holds it"]
    run_id: Id | None
    message_id: Id | None
    abort_requested: Annotated[bool, "the run will end as aborted"]
    last_error: Annotated[LastError | None, "how its last run failed, if it did"]
    updated_at: Moment
    acts_next: Annotated[NextLimit | None, "the limit that acts next, if its owner is alive"] = None
    used: Annotated[Used | None, UNUSUAL, "what its runs used; left out: nothing is known"] = None
    source: Annotated[str, UNUSUAL, "the source of the lane, if it is not this database"] = HERE
    open: Annotated[
        Count | None, UNUSUAL, "the unfinished lanes of a session that runs several requests at once; it stands for all"
    ] = None
    waiting_for: Annotated[str | None, UNUSUAL, "`input`: the run asks its sender, and waits for the answer"] = None
    question: Annotated[AskedQuestion | None, UNUSUAL, "what it asks"] = None
    seen: Annotated[WatchedLane | None, UNUSUAL, "what is seen of it in another program's gateway"] = None

    @property
    def bound_epoch(self) -> int | None:
        """The epoch that an action on the lane as it was seen expects; None for a session that runs several requests
        at once, which is acted on as a whole."""
        return None if self.open else self.epoch

    @classmethod
    def of(cls, row: rows.LaneRow, liveness: Liveness) -> Lane:
        """The record of a row."""
        run, owner, error, now = row.run, row.owner, row.last_error, liveness.now
        held = None if run is None else ages.held_ms(run, now)
        # Positional: keywords would double the time, and lists are long.
        return Lane(
            row.key,
            row.state,
            row.epoch,
            None if row.pause is None else Pause.of(row.pause, liveness),  # paused
            row.queued,
            liveness.since(row.head_accepted_at),  # head_wait_ms
            row.interruptions,
            row.parked_until,
            held,  # held_ms
            None if run is None else ages.left_ms(run, now),  # deadline_ms
            None if run is None else run.terms.stall_timeout_ms,  # stall_limit_ms
            None if run is None or owner is None else ages.beat_ms(owner, now),  # heartbeat_age_ms
            None if run is None else ages.quiet_ms(run, now),  # progress_age_ms
            None if run is None else run.progress,  # progress
            None if owner is None else Owner.of(owner, liveness),  # owner
            None if run is None else run.id,  # run_id
            None if run is None else run.message_id,  # message_id
            run is not None and run.abort_at is not None,  # abort_requested
            None if error is None else LastError(*error),  # last_error
            row.updated_at,
            None if run is None else NextLimit.of(run, owner, liveness),  # acts_next
            None if row.used is None else Used.of(row.used),  # used
            HERE,  # source
            row.open,
            None if run is None or run.question is None else INPUT,  # waiting_for
            None if run is None else AskedQuestion.of(run, liveness),  # question
        )


class RequestedAbort(Record):
    """A requested abort: by whom, when and why."""

    at: Moment
    actor: str | None
    reason: str | None
    cause: Annotated[Cause | None, OPEN]
    grace_ms: Annotated[Seconds, "the time that its owner has to stop it"]

    @classmethod
    def of(cls, run: rows.RunRow) -> RequestedAbort | None:
        """The abort that was requested of a run, if one was."""
        if run.abort_at is None:
            return None
        grace = run.terms.abort_grace_ms if run.abort_grace_asked_ms is None else run.abort_grace_asked_ms
        return RequestedAbort(run.abort_at, run.abort_actor, run.abort_reason, run.abort_cause, grace)


class Run(Record):
    """The run that holds a lane, with the limits that it was claimed under, and its owner's."""

    id: Id
    epoch: Annotated[Count, "the fencing token of its claim"]
    message_id: Id
    owner: Id
    runner: str
    kind: RunnerKind
    claimed_at: Moment
    run_timeout_ms: Annotated[Seconds | None, "the limits that it was claimed under; null: off"]
    stall_timeout_ms: Seconds | None
    abort_grace_ms: Seconds
    stale_after_ms: Annotated[Seconds | None, "of its owner"]
    progress: str
    progress_at: Moment
    busy_ms: Annotated[Seconds | None, "for how much longer it is busy by its own report, and so not stalled"]
    abort: Annotated[RequestedAbort | None, "the requested abort, if there is one"]
    missed_heartbeats: Annotated[Count, "heartbeats of its owner without it; from two on it is a ghost"]
    refused_writes: Annotated[Count, "writes that were refused because it had lost its lane"]
    process_group: Annotated[Number | None, "for runs of programs"]

    @classmethod
    def of(cls, row: rows.RunRow, owner: rows.OwnerRow | None, liveness: Liveness) -> Run:
        """The record of a row, with the limits of its owner."""
        return Run(
            id=row.id,
            epoch=row.epoch,
            message_id=row.message_id,
            owner=row.owner_id,
            runner=row.runner,
            kind=row.kind,
            claimed_at=row.claimed_at,
            run_timeout_ms=row.terms.run_timeout_ms,
            stall_timeout_ms=row.terms.stall_timeout_ms,
            abort_grace_ms=row.terms.abort_grace_ms,
            stale_after_ms=None if owner is None else owner.stale_after_ms,
            progress=row.progress,
            progress_at=row.progress_at,
            busy_ms=ages.busy_left_ms(row, liveness.now),
            abort=RequestedAbort.of(row),
            missed_heartbeats=row.left_out,
            refused_writes=row.refused_writes,
            process_group=row.process_group,
        )


class RunProcess(Record):
    """A process of a run, on the machine that answers."""

    pid: Count
    depth: Annotated[Count, "how many of the others are above it; 0: the process of lanes that keeps them together"]
    name: str
    command: Annotated[str, "its command line, shortened"]
    age_ms: Seconds
    cpu_ms: Annotated[Seconds, "the processor time that it has used"]
    memory_bytes: Annotated[Count, "what it has in memory now"]
    waits_for: Annotated[str | None, "null: it runs, or that is not visible"]


class Acted(Record):
    """A lane after an action."""

    lane: Annotated[Lane, INLINE]
    done: Annotated[bool, "whether the action changed the lane"]


class Why(Record):
    """Why a lane does not progress."""

    key: Key
    why: str
    held_up: Annotated[str | None, UNUSUAL, "what keeps its first message from starting"] = None


class LanePage(Record):
    """A page of a list of lanes."""

    lanes: tuple[Lane, ...]
    counts: ByState
    next: Annotated[str | None, "the cursor of the next page"]


class SearchPage(Record):
    """A page of the lanes that a filter chooses."""

    lanes: tuple[Lane, ...]
    total: Annotated[Count | None, "how many lanes it chooses; null: not counted"]
    place: Annotated[Count | None, "the index of the requested lane among them"]


class Hit(Record):
    """A lane that a search found."""

    key: Key
    place: Annotated[Count, "its index among the lanes that the filter chooses"]
    number: Annotated[Count, "its index among the hits"]
    total: Annotated[Count, "how many hits there are"]


class Silence(Record):
    """A run that has been silent for at least half of the limit that acts first."""

    key: Key
    run_id: Id
    silent_ms: Annotated[Seconds, "how long it has shown no progress that counts against that limit"]
    limit_ms: Annotated[Seconds | None, "null: no limit ends it"]
    limit: Annotated[str | None, "`stall_timeout`, or a limit of a provider"]
    provider: Annotated[str | None, "the provider of the attempt; null: the limit ends the run"]


class Silences(Record):
    """The silent runs, the one nearest to its limit first."""

    runs: tuple[Silence, ...]
    total: Annotated[Count, "how many runs are silent"]

    @classmethod
    def of(cls, result: tuple[list[rows.SilentRun], int]) -> Silences:
        """The silent runs that a query found."""
        runs, total = result
        return Silences(tuple(Silence(run.key, run.id, *run[2:]) for run in runs), total)


class LaneGroup(Record):
    """The lanes whose keys begin with the same parts."""

    prefix: str
    lanes: Count
    running: Count
    errored: Count
    aborted: Count
    waiting: Annotated[Count, "lanes in which something waits"]
    silent: Annotated[Count, "of those that run"]
    silent_ms: Annotated[Seconds | None, "how long the longest silent run has been silent"]
    whole: Annotated[bool, "the prefix is the whole key of one lane"]


class Found(Record):
    """The result of a search for a part of a key."""

    hit: Annotated[Hit | None, "null: there is none"]


class Mark(Record):
    """A lane as it was when it was chosen for an action, which is skipped if the lane has changed since."""

    key: Key
    epoch: Annotated[Count | None, "null: a session that runs several requests at once is meant as a whole"]
    state: LaneState
