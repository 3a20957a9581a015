"""What lanes promise, as plain Python: the model that the store is held against, step by step.

It is written from the contract, not from the doors: no SQL, no batches of statements, no clock of its own. Times are
whole milliseconds; ``mono`` is true time, which no jump of the wall clock touches.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lanes_storage.clock import Now
from lanes_storage.doors import Refusal
from lanes_storage.law import ASIDE, Edge, LaneState, Mode, OnInterrupt, OnSurvivors, Overflow, PauseKind, RunnerKind
from lanes_storage.records import RetryTerms, Terms

POISON_AT = 3
RELEASED_TO = {
    Edge.COMPLETE: LaneState.IDLE,
    Edge.FAIL: LaneState.ERRORED,
    Edge.PARK: LaneState.ERRORED,
    Edge.EXPIRE: LaneState.ERRORED,
    Edge.RECLAIM: LaneState.ERRORED,
    Edge.ABORT: LaneState.ABORTED,
}


@dataclass(slots=True)
class Message:
    """One accepted message."""

    id: int
    key: str
    bound: int | None = None  # the owner whose end is its end
    hold: bool = False
    state: str = "queued"
    interruptions: int = 0
    started: bool = False
    parked_until: int | None = None
    parked_since: int | None = None
    batch: int | None = None
    answered_by: int | None = None
    retried: bool = False
    retries: int = 0
    place: int | None = None  # among those of its lane, if it is not that of its id
    actor: str = "sender"
    for_run: int | None = None  # the open run that may take it while it works

    @property
    def rank(self) -> int:
        return self.id if self.place is None else self.place


@dataclass(slots=True)
class Run:
    """One attempt. ``progress`` and ``busy_until`` are true time."""

    id: int
    key: str
    owner: int
    members: tuple[int, ...]
    kind: RunnerKind
    terms: Terms
    claimed: int
    progress: int
    busy_until: int = 0
    abort_at: int | None = None
    abort_grace: int = 0
    left_out: int = 0
    refused: int = 0
    edge: Edge | None = None
    forced: bool = False
    waits: set[int] = field(default_factory=set)
    asks: int | None = None  # since when (true time)
    limit: int = 0  # of what it asks
    answer: int | None = None  # the message that answers it
    input: int = 0  # how long it waited for earlier answers

    def waited(self, now: int) -> int:
        """How long it has waited for answers, which counts against no limit."""
        return self.input + (0 if self.asks is None else min(self.limit, now - self.asks))

    @property
    def open(self) -> bool:
        return self.edge is None


@dataclass(slots=True)
class Lane:
    """One lane. ``pauses``: of each kind that it has, until when (wall time; 0: until it is ended)."""

    key: str
    state: LaneState = LaneState.IDLE
    epoch: int = 0
    run: int | None = None
    pauses: dict[PauseKind, int] = field(default_factory=dict)


@dataclass(slots=True)
class Owner:
    """One process. ``here``: on the observers' host and boot, so that its death can be proven."""

    id: int
    here: bool
    beaten: int  # true time of its last sign of life
    alive: bool = True
    ended: bool = False
    draining: bool = False
    heartbeats: int = 0


class Model:
    """Everything that was promised so far."""

    def __init__(self) -> None:
        self.counter = 0
        self.clock: tuple[int, str] | None = None  # how far the wall clock was ahead of the boot clock, in which boot
        self.owners: dict[int, Owner] = {}
        self.lanes: dict[str, Lane] = {}
        self.messages: dict[int, Message] = {}
        self.runs: dict[int, Run] = {}

    # ---------------------------------------------------------------------------------------- looking

    def waiting(self, key: str) -> list[Message]:
        """What waits in a lane, in the order in which it will start."""
        return [m for m in sorted(self.messages.values(), key=lambda m: m.rank) if m.key == key and m.state == "queued"]

    def note_clock(self, now: Now) -> None:
        """What waits until a time waits as long as before, where the wall clock was set in the same boot."""
        before, self.clock = self.clock, (now.wall - now.boot, now.boot_id)
        by = 0 if before is None or before[1] != now.boot_id else self.clock[0] - before[0]
        in_runs = {member for run in self.open_runs() for member in run.members}
        for message in self.messages.values():
            since, until = message.parked_since, message.parked_until
            if since is None or not (message.state == "queued" or message.id in in_runs):
                continue
            if by < 0:
                message.parked_until = None if until is None else until + by
                message.parked_since = since + by if since > now.wall else since
            elif by > 0 and (since + by <= now.wall or (until == since and until <= now.wall)):
                message.parked_until = until if until is None or until > now.wall else until + by
                message.parked_since = since + by

    def open_runs(self, owner: int | None = None) -> list[Run]:
        return [run for run in self.runs.values() if run.open and owner in (None, run.owner)]

    def claimable(self, owner: int, now: Now) -> list[int]:
        """The heads that this owner may claim, the longest wait first."""
        who = self.owners[owner]
        if who.ended or who.draining:
            return []
        heads = []
        for lane in self.lanes.values():
            waiting = self.waiting(lane.key)
            paused = any(until == 0 or until > now.wall for until in lane.pauses.values())
            if lane.run is not None or not waiting or paused:
                continue
            head = waiting[0]
            if head.bound in (None, owner) and (head.parked_until is None or head.parked_until <= now.wall):
                heads.append(head.id)
        return sorted(heads)

    def would_circle(self, run: Run, key: str) -> bool:
        """Whether ``run`` would wait for itself if it waited for that lane."""
        seen: set[str] = set()
        ways = [key]
        while ways:
            at = ways.pop()
            if at == run.key:
                return True
            lane = self.lanes.get(at)
            if at not in seen and lane is not None and lane.run is not None:
                ways += [self.messages[m].key for m in self.runs[lane.run].waits if self.unfinished(m)]
            seen.add(at)
        return False

    def unfinished(self, message: int) -> bool:
        return self.messages[message].state in ("queued", "running")

    # ---------------------------------------------------------------------------------------- intake

    def asking(self, message: Message) -> Run | None:
        """The run whose question a new text answers: the next one of the actor of its message."""
        lane = self.lanes.get(message.key)
        run = None if lane is None or lane.run is None else self.runs[lane.run]
        if run is None or run.asks is None or run.answer is not None or run.abort_at is not None:
            return None
        plain = message.bound is None and not message.hold
        return run if plain and message.actor == self.messages[run.members[-1]].actor else None

    def refusal(
        self, key: str, cap: int, *, if_idle: bool, mode: Mode, overflow: Overflow, answers: bool = False
    ) -> Refusal | None:
        """Why a message would not be accepted. ``answers``: it answers a question."""
        lane = self.lanes.get(key)
        if lane is None:
            return None
        busy = lane.run is not None or bool(self.waiting(key))
        if busy and if_idle:
            return Refusal.LANE_BUSY
        if answers:
            return None
        if busy and mode is Mode.REJECT:
            return Refusal.LANE_BUSY
        full = len(self.waiting(key)) >= cap
        if full and mode is not Mode.INTERRUPT and overflow is Overflow.REJECT:
            return Refusal.QUEUE_FULL
        return None

    def accept(self, message: Message, cap: int, mode: Mode, now: Now, *, again: bool = False) -> None:
        """A message that was not refused stands, and what it displaces has ended. ``again``: it is a retry."""
        lane = self.lanes.setdefault(message.key, Lane(message.key))
        waiting, asking = self.waiting(message.key), None if again else self.asking(message)
        if asking is not None:
            asking.answer, message.for_run = message.id, asking.id
        elif mode is Mode.STEER and not message.hold:
            message.for_run = lane.run
        if asking is not None:
            pass  # it displaces nothing
        elif mode is Mode.INTERRUPT:
            self.end(waiting, "aborted")
            if lane.run is not None:
                self.ask(self.runs[lane.run], None, now)
        else:
            self.end(waiting[: max(0, len(waiting) - cap + 1)], "dropped")
        self.messages[message.id] = message

    # ------------------------------------------------------------------------------------------- runs

    def claim(self, owner: int, members: tuple[int, ...], kind: RunnerKind, terms: Terms, now: Now) -> Run:
        self.counter += 1
        key = self.messages[members[0]].key
        lane = self.lanes[key]
        run = Run(self.counter, key, owner, members, kind, terms, claimed=now.mono, progress=now.mono)
        self.runs[run.id] = run
        lane.state, lane.epoch, lane.run = LaneState.RUNNING, run.id, run.id
        lane.pauses.clear()
        for id_ in members:
            message = self.messages[id_]
            message.state, message.started, message.parked_until = "running", True, None
            message.batch = members[-1] if len(members) > 1 else None
        return run

    def postpone(self, message: int, until: int, longest: int, now: Now) -> str:
        """An unclaimed head waits for a provider, over all its waits no longer than ``longest``."""
        head = self.messages[message]
        since = now.wall if head.parked_since is None else head.parked_since
        if until > since + longest:
            self.end([head], "failed")
        else:
            head.parked_until, head.parked_since = until, since
        return head.state

    def ask(self, run: Run, grace: int | None, now: Now) -> None:
        """An abort is asked for; a second time can only hurry it."""
        if run.abort_at is None:
            run.abort_at, run.abort_grace = now.mono, run.terms.abort_grace_ms if grace is None else grace
        elif grace is not None:
            run.abort_grace = min(run.abort_grace, grace)

    def release(
        self,
        run: Run,
        edge: Edge,
        now: Now,
        *,
        forced: bool = False,
        counted: bool | None = None,
        until: int = 0,
        retry: RetryTerms | None = None,
    ) -> Edge:
        """An open run ends; returns by which edge. ``counted`` not None: it was interrupted, and that counts or not."""
        if forced:
            self.counter += 1
        lane, last = self.lanes[run.key], self.messages[run.members[-1]]
        if forced and run.kind is RunnerKind.COMMAND and run.terms.on_survivors is OnSurvivors.PAUSE:
            lane.pauses[PauseKind.SURVIVORS] = 0
        count = last.interruptions + bool(counted)
        if run.abort_at is not None:
            edge, state, count = Edge.ABORT, "aborted", last.interruptions
        elif edge is Edge.COMPLETE:
            state = "done"
        elif last.bound is not None and self.owners[run.owner].draining and counted is None:
            edge, state = (Edge.FAIL if edge is Edge.PARK else edge), "failed"
        elif edge is Edge.PARK and until <= (last.parked_since or now.wall) + run.terms.max_park_ms:
            state = "queued"
        elif edge is Edge.FAIL and retry is not None and not last.hold and last.retries + 1 < retry.attempts:
            edge, state, until = Edge.PARK, "queued", now.wall + retry.wait_ms(last.retries, last.id)
            for message in map(self.messages.__getitem__, run.members):
                message.retries, message.parked_since = message.retries + 1, until
                message.place = message.place if retry.hold else message.id + ASIDE
        elif counted is None:
            edge, state = (Edge.FAIL if edge is Edge.PARK else edge), "failed"
        elif last.bound is not None:
            state, count = "aborted", last.interruptions
        elif run.terms.on_interrupt is OnInterrupt.FAIL or count >= POISON_AT:
            state = "failed"
        else:
            state = "queued"
            if run.terms.on_interrupt is OnInterrupt.PAUSE:
                lane.pauses[PauseKind.INTERRUPTED] = 0
        run.edge, run.forced = edge, forced
        run.asks = run.answer = None
        for message in self.messages.values():
            message.for_run = None if message.for_run == run.id else message.for_run
        lane.state, lane.run = RELEASED_TO[edge], None
        lane.epoch = self.counter if forced else lane.epoch
        self._settle(run, state, count, until if edge is Edge.PARK else None, now)
        return edge

    def _settle(self, run: Run, state: str, count: int, parked_until: int | None, now: Now) -> None:
        for id_ in run.members:
            message = self.messages[id_]
            message.state, message.interruptions = state, count
            if state == "done" and id_ != run.members[-1]:
                message.answered_by = run.members[-1]
            if state == "queued":
                message.parked_until = parked_until
                if parked_until is not None and message.parked_since is None:
                    message.parked_since = now.wall

    def question(self, run: Run, limit: int, now: Now) -> bool:
        """A run asks, if it may."""
        if not run.open or run.abort_at is not None or run.asks is not None:
            return False
        run.asks, run.limit, run.progress, run.busy_until = now.mono, limit, now.mono, now.mono + limit
        return True

    def take(self, run: Run, how: str, now: Now) -> int | None:
        """A run takes the answer or the oldest steer, or closes its question; which message it has taken."""
        if not run.open or run.abort_at is not None:
            return None
        answer = run.answer
        if how == "steer":
            meant = [m for m in self.waiting(run.key) if m.for_run == run.id and m.id != answer]
            return self._hand_over(run, meant[0].id) if meant else None
        if run.asks is None or (answer is None and how == "answer"):
            return None
        run.input, run.progress, run.busy_until = run.waited(now.mono), now.mono, 0
        run.asks = run.answer = None
        return None if answer is None else self._hand_over(run, answer)

    def _hand_over(self, run: Run, message: int) -> int:
        taken = self.messages[message]
        taken.state, taken.for_run, taken.answered_by = "done", None, run.members[-1]
        return message

    # ---------------------------------------------------------------------------------------- control

    def end(self, messages: Iterable[Message], state: str) -> None:
        """Waiting messages end without a run."""
        for message in messages:
            assert message.state == "queued"
            message.state = state
            if message.for_run is not None:
                run, message.for_run = self.runs[message.for_run], None
                run.answer = None if run.answer == message.id else run.answer

    def move(self, message: Message) -> None:
        """It starts before all others of its lane."""
        run = self.lanes[message.key].run
        running = [] if run is None else [self.messages[member] for member in self.runs[run].members]
        message.place = min(other.rank for other in (*self.waiting(message.key), *running)) - 1
        message.batch = None

    def recall(self, now: Now) -> int:
        """What lets others pass takes its place again, once its wait is over."""
        due = [
            m
            for m in self.messages.values()
            if m.state == "queued" and m.rank >= ASIDE and (m.parked_until or 0) <= now.wall
        ]
        for message in due:
            message.place = message.id
        return len(due)

    def clear_head(self, key: str) -> bool:
        """The abort that was meant for the run of a head that waits again ends it, with all that ran together."""
        waiting = self.waiting(key)
        if not waiting or not waiting[0].started:
            return False
        head = waiting[0]
        self.end([m for m in waiting if m is head or (head.batch is not None and m.batch == head.batch)], "aborted")
        return True

    def drain_owner(self, owner: int) -> None:
        """It claims nothing more, so what only it may claim ends."""
        self.owners[owner].draining = True
        self.end_bound_to(owner)

    def end_owner(self, owner: int) -> None:
        self.owners[owner].ended = True
        self.end_bound_to(owner)

    def end_bound_to(self, owner: int) -> None:
        self.end([m for m in self.messages.values() if m.bound == owner and m.state == "queued"], "aborted")
