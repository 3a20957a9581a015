"""A database with hands: every door as a plain call, at a moment that the test moves by hand."""

from collections.abc import Sequence
from typing import Any, TypeVar

from lanes.testing import MINUTE, SECOND, Hands
from lanes_storage import doors, reads
from lanes_storage.doors import AbortRequest, Accepted, Control, Evidence, Refusal, WaitCircle
from lanes_storage.interface import Query, Step, Store, Transaction
from lanes_storage.law import Cause, LaneState, MessageState, Mode, OnInterrupt, OnSurvivors, Overflow, RunnerKind
from lanes_storage.records import (
    Admission,
    Beat,
    Claimed,
    EventRow,
    Head,
    LaneFilter,
    LaneRow,
    MessageRow,
    NewMessage,
    NewOwner,
    OwnerRow,
    ProcessIdentity,
    Release,
    RetryTerms,
    RunFailure,
    RunResult,
    RunRow,
    Terms,
    Ticket,
    Waiter,
)

T = TypeVar("T")

TABLES = (
    "lanes",
    "messages",
    "runs",
    "owners",
    "events",
    "idempotency",
    "providers",
    "counters",
    "waits",
    "pauses",
    "turns",
    "repeats",
    "spent",
    "incidents",
    "sources",
    "sightings",
    "freeings",
)
TERMS = Terms(
    run_timeout_ms=5 * MINUTE,
    stall_timeout_ms=2 * MINUTE,
    abort_grace_ms=10 * SECOND,
    reconcile_interval_ms=5 * SECOND,
    warn_held_after_ms=MINUTE,
    max_park_ms=10 * MINUTE,
    on_interrupt=OnInterrupt.REQUEUE,
    on_survivors=OnSurvivors.PAUSE,
)
OWNER = NewOwner(
    kind="gateway",
    host="here",
    boot_id="boot-of-the-test",
    pid_ns="ns-1",
    pid=4711,
    start_time=123_456,
    fingerprint="config-1",
    heartbeat_interval_ms=5 * SECOND,
    stale_after_ms=30 * SECOND,
    runners=("chat", "coder"),
    url="http://127.0.0.1:8765",
)

#: The process that waits for a run, and the child of a command run.
PROCESS = ProcessIdentity("here", "boot-of-the-test", "ns-1", 4242, 123_456)

Rows = dict[str, list[tuple[Any, ...]]]


class World:
    """One database, one owner to begin with, and the time."""

    def __init__(self, store: Store, time: Hands | None = None) -> None:
        self.store = store
        self.time = time or Hands()
        self.me = self.owner()

    @classmethod
    def of(cls, store: Store) -> "World":
        """One that only looks at what is there."""
        made = cls.__new__(cls)
        made.store = store
        return made

    # --------------------------------------------------------------------------------------- intake

    def owner(self, **changes: Any) -> int:
        """Enter an owner."""
        new = OWNER._replace(**changes)
        return self.store.write(lambda tx: doors.register(tx, new, self.time()))

    def accept(
        self,
        key: str,
        text: str | None = "hello",
        *,
        cap: int = 20,
        if_idle: bool = False,
        mode: Mode = Mode.QUEUE,
        overflow: Overflow = Overflow.REJECT,
        waiting_run: int | None = None,
        max_wait_ms: int | None = None,
        max_per_minute: int | None = None,
        **more: Any,
    ) -> Accepted | Refusal | WaitCircle:
        """Offer a message."""
        new = NewMessage(key, text, **({"actor": "sender"} | more))
        waiter = None if waiting_run is None else Waiter(waiting_run, PROCESS)
        admission = Admission(cap, if_idle, mode, overflow, waiter, max_wait_ms, max_per_minute)
        return self.store.write(doors.accept(new, admission, self.time()))

    def send(self, key: str, text: str | None = "hello", **more: Any) -> int:
        """Have a message accepted; returns its id."""
        accepted = self.accept(key, text, **more)
        assert isinstance(accepted, Accepted)
        return accepted.message_id

    # ---------------------------------------------------------------------------------------- claim

    def candidates(self, owner: int | None = None, *, after: int = 0, limit: int = 64) -> list[Head]:
        """What ``owner`` might claim: the same whether all heads are asked about or only some."""
        who, now = self.me if owner is None else owner, self.time()

        def step(tx: Transaction) -> list[Head]:
            found = doors.candidates(tx, who, now, after=after, limit=limit)
            if after == 0 and len(found) < limit:
                every = [message for (message,) in tx.rows("SELECT id FROM messages", {})]
                assert doors.candidates_among(tx, who, now, every) == found
            return found

        return self.store.write(step)

    def head(self, key: str, owner: int | None = None) -> Head:
        """The head of a lane that may be claimed."""
        lane = self.step(lambda tx: tx.rows("SELECT id FROM lanes WHERE key = :key", {"key": key}))[0][0]
        (head,) = [head for head in self.candidates(owner, limit=10_000) if head.lane_id == lane]
        return head

    def try_claim(
        self,
        head: Head,
        owner: int | None = None,
        terms: Terms = TERMS,
        kind: RunnerKind = RunnerKind.PROVIDER,
        runner: str = "chat",
        members: Sequence[int] = (),
        provider: str | None = None,
    ) -> Claimed | None:
        """Try to take the lane of a head."""
        who = self.me if owner is None else owner
        how: dict[str, Any] = {"members": members, "provider": provider}
        return self.store.write(doors.claim(head, who, runner, kind, terms, self.time(), **how))

    def claim(self, key: str, owner: int | None = None, **more: Any) -> Claimed:
        """Take a lane for its head."""
        claimed = self.try_claim(self.head(key, owner), owner, **more)
        assert claimed is not None
        return claimed

    def collect(self, key: str, owner: int | None = None, **more: Any) -> Claimed:
        """Take a lane for its head and for all that is answered together with it."""
        head = self.head(key, owner)
        members = [m.id for m in self.store.write(lambda tx: doors.collectable(tx, head))]
        claimed = self.try_claim(head, owner, members=members, **more)
        assert claimed is not None
        return claimed

    def start(self, key: str, text: str = "hello", owner: int | None = None, **more: Any) -> Claimed:
        """Send a message and take its lane."""
        self.send(key, text)
        return self.claim(key, owner, **more)

    def beat(
        self, *tickets: Ticket, owner: int | None = None, progress: str = "content", said: str | None = None
    ) -> list[Ticket] | None:
        """Let an owner prove that it lives, and name these runs; ``said``: what they have replied so far."""
        now, who = self.time(), self.me if owner is None else owner
        beats = [Beat(ticket, progress, now.boot, now.wall, None, said, now.slept) for ticket in tickets]
        return self.store.write(doors.heartbeat(who, beats, now))

    # ------------------------------------------------------------------------------------- releases

    def complete(self, ticket: Ticket, reply: str | RunResult = "the reply") -> Release:
        """The run has its reply."""
        answer = RunResult(reply) if isinstance(reply, str) else reply
        return self.store.write(doors.complete(ticket, answer, self.time(), by="tester"))

    def fail(self, ticket: Ticket, failure: RunFailure | None = None, retry: RetryTerms | None = None) -> Release:
        """The run failed."""
        why = failure or RunFailure(Cause.PROVIDER_FAILED, "all failed")
        return self.store.write(doors.fail(ticket, why, self.time(), by="tester", retry=retry))

    def park(
        self,
        ticket: Ticket,
        for_ms: int = MINUTE,
        failure: RunFailure | None = None,
        retry: RetryTerms | None = None,
        providers: Sequence[str] = (),
    ) -> Release:
        """Every provider refused."""
        why, now = failure or RunFailure(Cause.PROVIDER_COOLING, "all cool"), self.time()
        how: dict[str, Any] = {"by": "tester", "retry": retry, "providers": providers}
        return self.store.write(doors.park(ticket, now.wall + for_ms, why, now, **how))

    def expire(
        self,
        ticket: Ticket,
        *,
        forced: bool = False,
        evidence: Evidence | None = None,
        retry: RetryTerms | None = None,
    ) -> Release:
        """The run's time is over."""
        why, now = RunFailure(Cause.RUN_TIMEOUT, "ran for too long"), self.time()
        return self.store.write(
            doors.expire(ticket, why, now, by="tester", forced=forced, evidence=evidence, retry=retry)
        )

    def interrupt(self, ticket: Ticket) -> Release:
        """The owner drains and has stopped the run."""
        why = RunFailure(Cause.DRAINED, "its gateway stopped")
        return self.store.write(doors.interrupt(ticket, why, self.time(), by="tester"))

    def reclaim(self, ticket: Ticket, cause: Cause = Cause.OWNER_GONE, evidence: Evidence | None = None) -> Release:
        """Somebody else takes the lane back."""
        why, still = RunFailure(cause, "nobody is there"), evidence or Evidence()
        return self.store.write(
            doors.reclaim(ticket, why, self.time(), by="tester", evidence=still),
        )

    def end_as(self, claimed: Claimed, state: LaneState) -> None:
        """Let the run end so that its lane comes to a state; ``running``: it goes on."""
        match state:
            case LaneState.IDLE:
                self.complete(claimed.ticket)
            case LaneState.ERRORED:
                self.fail(claimed.ticket)
            case LaneState.ABORTED:
                self.request_abort(claimed.message.key)
                self.abort(claimed.ticket)

    def request_abort(self, key: str, **more: Any) -> AbortRequest:
        """Ask for an abort."""
        asked = self.store.write(
            lambda tx: doors.request_abort(tx, key, self.time(), **({"actor": "alice"} | more)),
        )
        assert asked is not None
        return asked

    def abort(self, ticket: Ticket, *, forced: bool = False) -> Release:
        """Release a run whose abort was requested."""
        return self.store.write(doors.abort(ticket, self.time(), by="tester", forced=forced))

    def end_bound(self, message: int) -> bool:
        """What a message is bound to is gone."""
        return self.store.write(
            lambda tx: doors.end_bound(tx, message, self.time(), actor="client", reason="its client left")
        )

    # -------------------------------------------------------------------------------------- control

    def pause(self, key: str, *, until: int | None = None, reason: str = "to look", **more: Any) -> Control:
        """Let a lane claim nothing."""
        return self.store.write(
            lambda tx: doors.pause(tx, key, self.time(), actor="alice", reason=reason, until=until, **more)
        )

    def resume(self, key: str, **more: Any) -> Control:
        """Let it claim again."""
        return self.store.write(lambda tx: doors.resume(tx, key, self.time(), actor="alice", **more))

    def ack(self, key: str, **more: Any) -> Control:
        """Say that it was seen."""
        return self.store.write(lambda tx: doors.ack(tx, key, self.time(), actor="alice", **more))

    def drop(self, message: int) -> MessageState | None:
        """End a waiting message."""
        return self.store.write(lambda tx: doors.drop(tx, message, self.time(), actor="alice"))

    def move(self, message: int) -> MessageState | None:
        """Let a waiting message start before the others."""
        return self.store.write(lambda tx: doors.move_to_front(tx, message, self.time(), actor="alice"))

    def expire_waiting(self) -> int:
        """End what has waited too long."""
        return self.store.write(lambda tx: doors.expire_waiting(tx, self.time()))

    def recall(self) -> int:
        """Put messages that let others pass back, if their wait is over."""
        return self.store.write(lambda tx: doors.recall(tx, self.time(), by="tester"))

    def retry(self, message: int, *, cap: int = 20) -> Accepted | Refusal | MessageState | None:
        """Accept a dead letter once more."""
        return self.store.write(lambda tx: doors.retry(tx, message, Admission(cap), self.time(), actor="alice"))

    def postpone(
        self,
        head: Head,
        for_ms: int = MINUTE,
        *,
        max_park_ms: int = 10 * MINUTE,
        retry: RetryTerms | None = None,
        providers: Sequence[str] = (),
    ) -> MessageState:
        """Let an unclaimed head wait for a provider."""
        now, how = self.time(), (retry, providers)
        until = now.wall + for_ms
        return self.store.write(lambda tx: doors.postpone(tx, head, until, max_park_ms, now, how[0], providers=how[1]))

    def attach_process(self, ticket: Ticket, child: ProcessIdentity = PROCESS, group: int = 4242) -> bool:
        """Note the child of a run."""
        return self.store.write(lambda tx: doors.attach_process(tx, ticket, child, group))

    def end_owner(self, owner: int, *, cause: str = "owner_gone", heartbeats: int | None = None) -> bool:
        """Close an owner."""
        return self.store.write(
            lambda tx: doors.end_owner(tx, owner, self.time(), cause=cause, by="tester", heartbeats=heartbeats)
        )

    def interrupted(self, key: str, times: int, **more: Any) -> int:
        """A message that waits after so many counted interruptions; returns its id."""
        message = self.send(key)
        for _ in range(times):
            self.reclaim(self.claim(key, **more).ticket)
        return message

    # ---------------------------------------------------------------------------------------- reads

    def suspects(self) -> int:
        """How many suspects run."""
        return self.store.read(reads.suspects_running())

    def step(self, step: Step[T]) -> T:
        """Run a step of the test's own."""
        return self.store.write(step)

    def lane(self, key: str) -> LaneRow:
        """A lane as it is stored."""
        lane = self.store.read(reads.lane(key))
        assert lane is not None
        return lane

    def state(self, key: str) -> LaneState:
        """The state of a lane."""
        return self.lane(key).state

    def message(self, message_id: int) -> MessageRow:
        """A message as it stands."""
        message = self.store.read(reads.message(message_id))
        assert message is not None
        return message

    def run(self, ticket: Ticket) -> RunRow:
        """A run as it stands."""
        run = self.store.read(reads.run(ticket.run_id))
        assert run is not None
        return run

    def owner_row(self, owner: int) -> OwnerRow:
        """An owner as it stands."""
        found = self.store.read(reads.owner(owner))
        assert found is not None
        return found

    def keys(self, chosen: LaneFilter | None = None, **page: Any) -> list[str]:
        """The keys of a list of lanes."""
        return [lane.key for lane in self.store.read(reads.lanes(chosen or LaneFilter(), **page))]

    def events(self, key: str | None = None, **more: Any) -> list[EventRow]:
        """The journal, or a lane's part of it."""
        lane = None if key is None else self.lane(key).id
        return self.store.read(reads.events(lane=lane, **more))

    def rows(self) -> Rows:
        """Everything that is in the database."""
        return {table: self.table(table) for table in TABLES}

    def table(self, table: str) -> list[tuple[Any, ...]]:
        """Every row of a table."""
        return self.store.read(Query(f"SELECT * FROM {table} ORDER BY 1, 2", {}, lambda rows: [*map(tuple, rows)]))

    def new_events(self, before: Rows) -> list[EventRow]:
        """What was written to the journal since a look at all rows."""
        return self.events(after=max((row[0] for row in before["events"]), default=0))


def differing(before: Rows, after: Rows) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that were added or changed between two looks, by table; no row may have gone."""
    assert all(len(after[table]) >= len(before[table]) for table in TABLES)
    changes = {table: [row for row in after[table] if row not in before[table]] for table in TABLES}
    return {table: rows for table, rows in changes.items() if rows}
