"""Every order of commits of a small configuration: depth-first over the real doors, on a database in memory.

Two owners, one lane, two messages, an abort, a reconcile, and writes of runs that may have lost their lane. One of the
owners has been silent for so long that the reconciler takes it for dead, unless it beats first. A state is the rows
and what each of them remembers; from each state every next commit is tried, and a state that was seen before is not
judged and walked again: its journal tells of the same commits in another order.
"""

import contextlib
import copy
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from lanes.engine.reconcile.reconciler import ACTING, ReconcileDecision, act, decide
from lanes.engine.reconcile.sightings import Sightings
from lanes.host.identity import this_process
from lanes.testing import MINUTE, SECOND, Hands, broken, read_history
from lanes_storage import doors, open_store, reads
from lanes_storage.interface import Step, Transaction, carry_out
from lanes_storage.law import Cause, OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.records import (
    Admission,
    Claimed,
    NewMessage,
    NewOwner,
    NewQuestion,
    RunFailure,
    RunResult,
    Terms,
    Ticket,
)
from lanes_storage.sqlite.file.transaction import SqliteTransaction
from lanes_storage.sqlite.store import SqliteReader, SqliteStore

T = TypeVar("T")

KEY = "a"
TERMS = Terms(
    5 * MINUTE, 2 * MINUTE, 10 * SECOND, 5 * SECOND, MINUTE, 10 * MINUTE, OnInterrupt.REQUEUE, OnSurvivors.START
)
#: The rows that decide what can happen next, without times and sentences.
STATE = (
    "SELECT state, epoch, run_id, head_id, error_cause FROM lanes",
    "SELECT lane_id, kind, until FROM pauses",
    "SELECT id, state, run_id, reply, error_cause, interruptions, parked_until IS NULL, for_run, answered_by, text"
    " FROM messages",
    "SELECT id, message_id, owner_id, abort_at IS NULL, edge, forced, left_out, refused_writes, late_reply,"
    " json_extract(question, '$.answer'), question IS NULL FROM runs",
    "SELECT id, heartbeats, ended_at IS NULL FROM owners",
    "SELECT value FROM counters",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much may happen: claims of each owner, how a run may end by itself, late writes of it, beats of the silent
    owner, messages."""

    claims: int = 1
    endings: tuple[str, ...] = ("complete", "fail", "park", "abort")
    late: int = 1
    beats: int = 1
    messages: int = 2
    questions: int = 0


@dataclass(frozen=True, slots=True)
class Minds:
    """What everybody remembers and may still do."""

    messages: int
    claims: tuple[int, int]
    beats: int
    tickets: tuple[tuple[int, int, int], ...] = ()  # owner, run, writes that it may still make
    questions: int = 0
    asked: tuple[int, ...] = ()  # runs that wait for an answer
    abort: str = "unasked"
    forcing: Ticket | None = None
    reconcile: str = "unseen"
    findings: tuple[ReconcileDecision, ...] = field(default=(), compare=False)

    def key(self) -> tuple[Any, ...]:
        seen = tuple(
            (f.decision, f.run and f.run.id, f.owner and (f.owner.id, f.owner.heartbeats)) for f in self.findings
        )
        asks = (self.questions, self.asked)
        counts = (self.messages, self.claims, self.beats, self.tickets)
        return (*counts, self.abort, self.forcing, self.reconcile, seen, asks)


Next = tuple[str, Callable[[], Minds]]


class MemoryStore(SqliteStore):
    """The store on a database in memory, in one transaction for all steps, which the search takes back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        SqliteReader.__init__(self, Path("in memory"), connection)

    def write(self, step: Step[T]) -> T:
        return step(SqliteTransaction(self._open()))


class Search:
    """A search, and what it saw. ``orders`` counts the ways from the beginning to an end."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.size = size
        self.states = 0
        self.commits = 0
        self.ends = 0
        self.most_refused = 0
        self._time = Hands()
        self._orders: dict[Any, int] = {}
        self._seen = Sightings(5 * SECOND)
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self.store = MemoryStore(self._connection)
        self._set_up(folder / "template.db")
        self._connection.execute("BEGIN")

    def run(self) -> int:
        """Walk everything; returns the number of orders. Raises AssertionError with the way to what is wrong."""
        claims = (self.size.claims, self.size.claims)
        minds = Minds(self.size.messages, claims, self.size.beats, questions=self.size.questions)
        try:
            return self._walk(minds, ())
        finally:
            self._connection.close()

    def _set_up(self, path: Path) -> None:
        store = open_store(str(path), create=True)
        me = this_process()
        for stale_after in (30 * SECOND, 10 * MINUTE):
            new = NewOwner(
                "gateway", me.host, me.boot_id, me.pid_ns, me.pid, me.start_time, "config", 5 * SECOND, stale_after
            )
            store.write(lambda tx, new=new: doors.register(tx, new, self._time()))  # type: ignore[misc]
        for _ in range(7):  # the first of them is silent all the while
            owners = store.read(reads.owners())
            self._seen.look(owners, [], self._time())
            self._time.move(5 * SECOND)
        store.close()
        image = bytearray(path.read_bytes())
        image[18:20] = b"\1\1"  # what is in memory has no log beside it
        self._connection.deserialize(bytes(image))

    @contextlib.contextmanager
    def _taken_back(self) -> Iterator[None]:
        """What is done in the block is undone at its end."""
        self._connection.execute("SAVEPOINT before")
        yield
        self._connection.execute("ROLLBACK TO before")
        self._connection.execute("RELEASE before")

    def _walk(self, minds: Minds, way: tuple[str, ...]) -> int:
        key = (minds.key(), self._rows())
        known = self._orders.get(key)
        if known is not None:
            return known
        self.states += 1
        # a commit would check what refers to nothing; here none comes
        found = [*broken(self.store), *self._connection.execute("PRAGMA foreign_key_check").fetchall()]
        assert not found, f"after {' > '.join(way)}: {found}"
        orders = 0
        for name, step in list(self._next(minds)):
            with self._taken_back():
                try:
                    after = step()
                    self.commits += 1
                except AssertionError as error:
                    raise AssertionError(f"after {' > '.join([*way, name])}: {error}") from error
                orders += self._walk(after, (*way, name))
        if orders == 0:
            with self._taken_back():
                self._end(minds, way)
            orders = 1
        self._orders[key] = orders
        return orders

    def _rows(self) -> tuple[Any, ...]:
        return tuple(tuple(map(tuple, self._connection.execute(sql).fetchall())) for sql in STATE)

    # ----------------------------------------------------------------------------- what may come next

    def _next(self, minds: Minds) -> Iterator[Next]:
        if minds.messages:
            yield "send", lambda: self._send(minds)
        for owner in (1, 2):
            if minds.claims[owner - 1] and self.store.read(reads.claimable(owner, self._time().wall)):
                yield f"claim by {owner}", lambda owner=owner: self._claim(minds, owner)  # type: ignore[misc]
        if minds.beats:
            yield "beat", lambda: self._beat(minds)
        for number, (_, run, left) in enumerate(minds.tickets):
            for how in self.size.endings if left > self.size.late else ("complete",) if left else ():
                yield f"{how} {run}", lambda number=number, how=how: self._write(minds, number, how)  # type: ignore[misc]
        for _, run, left in minds.tickets if minds.questions else ():
            if left > self.size.late and run not in minds.asked:
                yield f"ask {run}", lambda run=run: self._question(minds, run)  # type: ignore[misc]
        for run in minds.asked:
            yield f"take {run}", lambda run=run: self._take(minds, run)  # type: ignore[misc]
        if minds.abort == "unasked" and self._connection.execute("SELECT 1 FROM lanes").fetchone():
            yield "ask to abort", lambda: self._ask(minds)
        if minds.forcing is not None:
            yield "force", lambda: self._force(minds)
        if minds.reconcile == "unseen":
            yield "look", lambda: self._look(minds)
        if minds.reconcile == "seen":
            yield "reconcile", lambda: self._reconcile(minds)

    def _send(self, minds: Minds) -> Minds:
        new = NewMessage(KEY, "hello", actor="sender")
        self.store.write(doors.accept(new, Admission(), self._time()))
        return replace(minds, messages=minds.messages - 1)

    def _claim(self, minds: Minds, owner: int) -> Minds:
        def step(tx: Transaction) -> Claimed | None:
            (head,) = doors.candidates(tx, owner, self._time())
            return doors.claim(head, owner, "chat", RunnerKind.PROVIDER, TERMS, self._time())(tx)

        claimed = self.store.write(step)
        assert claimed is not None
        one, two = minds.claims
        claims = (one - (owner == 1), two - (owner == 2))
        ticket = (owner, claimed.ticket.run_id, 1 + self.size.late)
        return replace(minds, claims=claims, tickets=(*minds.tickets, ticket))

    def _beat(self, minds: Minds) -> Minds:
        self.store.write(doors.heartbeat(1, [], self._time()))
        return replace(minds, beats=minds.beats - 1)

    def _write(self, minds: Minds, number: int, how: str) -> Minds:
        owner, run, left = minds.tickets[number]
        ticket, now, by = Ticket(run, run), self._time(), f"owner:{owner}"
        failure = RunFailure(Cause.PROVIDER_FAILED, "all failed")
        held = self._connection.execute("SELECT 1 FROM lanes WHERE run_id = ?", (run,)).fetchone() is not None
        steps = {
            "complete": doors.complete(ticket, RunResult(f"reply of {run}"), now, by=by),
            "fail": doors.fail(ticket, failure, now, by=by),
            "park": doors.park(ticket, now.wall, failure, now, by=by),
            "abort": doors.abort(ticket, now, by=by, forced=False),
        }
        applied = self.store.write(steps[how]).applied
        assert applied is held or (how == "abort" and not applied), f"{how} of run {run}"
        left = left - 1 if applied or how != "abort" else 0
        tickets = tuple(t if n != number else (owner, run, left) for n, t in enumerate(minds.tickets))
        return replace(minds, tickets=tickets)

    def _question(self, minds: Minds, run: int) -> Minds:
        new = NewQuestion(f"{run}.1", "Which?", MINUTE)
        self.store.write(lambda tx: doors.ask(tx, Ticket(run, run), new, self._time(), by="run"))
        return replace(minds, questions=minds.questions - 1, asked=(*minds.asked, run))

    def _take(self, minds: Minds, run: int) -> Minds:
        """It takes the answer if there is one, and asks no longer if there is none."""
        ticket, now = Ticket(run, run), self._time()
        self.store.write(lambda tx: doors.close_question(tx, ticket, f"{run}.1", now, by="run", reason="expired"))
        return replace(minds, asked=tuple(other for other in minds.asked if other != run))

    def _ask(self, minds: Minds) -> Minds:
        asked = self.store.write(lambda tx: doors.request_abort(tx, KEY, self._time(), actor="alice", grace_ms=0))
        return replace(minds, abort="asked", forcing=asked.ticket if asked else None)

    def _force(self, minds: Minds) -> Minds:
        ticket = minds.forcing
        assert ticket is not None
        self.store.write(doors.abort(ticket, self._time(), by="alice", forced=True))
        (edge,) = self._connection.execute("SELECT edge FROM runs WHERE id = ?", (ticket.run_id,)).fetchone()
        assert edge == "abort", "a request is sticky"
        return replace(minds, forcing=None)

    def _look(self, minds: Minds) -> Minds:
        now, seen = self._time(), copy.deepcopy(self._seen)
        runs, owners = self.store.read(reads.open_runs()), self.store.read(reads.owners())
        seen.look(owners, runs, now)
        findings = [f for f in decide(owners, runs, seen, now, this_process()) if f.decision in ACTING]
        return replace(minds, reconcile="seen", findings=tuple(findings))

    def _reconcile(self, minds: Minds) -> Minds:
        self.store.write(lambda tx: carry_out(tx, [act(f, self._time(), by="reconciler") for f in minds.findings]))
        return replace(minds, reconcile="done", findings=())

    # ------------------------------------------------------------------------------------- at an end

    def _end(self, minds: Minds, way: tuple[str, ...]) -> None:
        """Nothing may happen any more: another owner finishes what is left, and the history is judged."""
        self.ends += 1
        gone, still, now = RunFailure(Cause.OWNER_GONE, "ended"), doors.Evidence(), self._time()
        for run in self.store.read(reads.open_runs()):
            ticket = run.ticket
            self.store.write(lambda tx, t=ticket: doors.reclaim(t, gone, now, by="end", evidence=still)(tx))  # type: ignore[misc]
        while self.store.read(reads.claimable(2, self._time().wall)):
            done = self._claim(replace(minds, claims=(9, 9)), 2)
            self._write(done, len(done.tickets) - 1, "complete")
        history = read_history(self.store, range(1, self.size.messages + 1), settled=True)
        found = [*broken(self.store), *history.problems]
        assert not found, f"after {' > '.join(way)}: {found}"
        (refused,) = self._connection.execute("SELECT coalesce(sum(refused_writes), 0) FROM runs").fetchone()
        self.most_refused = max(self.most_refused, refused)
