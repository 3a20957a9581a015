"""A machine that does everything to a real database, in any order, and holds it against the model after each step."""

import tempfile
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lanes.host.identity import this_process
from lanes.testing import DAY, HOUR, MINUTE, SECOND, START, Hands, broken, read_history
from lanes_storage import doors, open_store
from lanes_storage.clock import Now
from lanes_storage.doors import Accepted, Refusal, WaitCircle
from lanes_storage.interface import Query, Step
from lanes_storage.law import (
    BoundTo,
    Cause,
    Edge,
    LaneState,
    Mode,
    OnInterrupt,
    OnSurvivors,
    Overflow,
    PauseKind,
    RunnerKind,
    Scope,
)
from lanes_storage.records import (
    Admission,
    Beat,
    Claimed,
    NewMessage,
    NewOwner,
    NewQuestion,
    Release,
    RetryTerms,
    RunFailure,
    RunResult,
    Terms,
    Ticket,
    Waiter,
)
from tests.kit.world import PROCESS
from tests.proof.lane_model import Message, Model, Owner, Run
from tests.proof.watching import Watch

T = TypeVar("T")

KEYS = ("a", "b", "c")
OWNERS = 4
STALE_AFTER = 30 * SECOND
BEAT_EVERY = 5 * SECOND

keys = st.sampled_from(KEYS)
pick = st.integers(0, 7)
terms = st.builds(
    Terms,
    run_timeout_ms=st.sampled_from([None, 2 * MINUTE]),
    stall_timeout_ms=st.sampled_from([None, MINUTE]),
    abort_grace_ms=st.just(10 * SECOND),
    reconcile_interval_ms=st.just(5 * SECOND),
    warn_held_after_ms=st.just(MINUTE),
    max_park_ms=st.just(3 * MINUTE),
    on_interrupt=st.sampled_from(OnInterrupt),
    on_survivors=st.sampled_from(OnSurvivors),
)


class LaneMachine(RuleBasedStateMachine):
    """Owners on this host and elsewhere, senders, operators and observers; the time moves only by a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(str(Path(self.folder.name) / "lanes.db"), create=True, synchronous="normal")
        self.time = Hands()
        self.model = Model()
        self.watches = [Watch(self.store, self.time, self.model, name) for name in ("one", "other")]

    # -------------------------------------------------------------------------------------- owners

    @initialize()
    def begin(self) -> None:
        self.enter(here=True)
        self.enter(here=False)

    def enter(self, *, here: bool) -> None:
        me = this_process()
        where = (me.host, me.boot_id, me.pid_ns) if here else ("elsewhere", "boot-elsewhere", "ns-9")
        new = NewOwner("gateway", *where, me.pid, me.start_time, "config", BEAT_EVERY, STALE_AFTER, ("chat",))
        owner = Owner(0, here, self.time().mono)
        now = self.clock_of(owner)
        owner.id = self.write(lambda tx: doors.register(tx, new, now))
        self.model.note_clock(now)
        self.model.owners[owner.id] = owner

    def living(self) -> list[Owner]:
        return [owner for owner in self.model.owners.values() if owner.alive]

    def clock_of(self, owner: Owner) -> Now:
        """What the clocks of an owner's machine say: elsewhere the boot clock is another one."""
        now = self.time()
        return now if owner.here else now._replace(boot=now.boot + 10**9, boot_id="boot-elsewhere")

    @precondition(lambda self: len(self.living()) < OWNERS)
    @rule(here=st.booleans())
    def a_process_starts(self, here: bool) -> None:
        self.enter(here=here)

    @precondition(lambda self: any(owner.here for owner in self.living()))
    @rule(which=pick)
    def a_process_dies(self, which: int) -> None:
        """Its number then belongs to a process that started at another time."""
        mortal = [owner for owner in self.living() if owner.here]
        owner = mortal[which % len(mortal)]
        gone = "UPDATE owners SET start_time = start_time + 1 WHERE id = :id"
        self.write(lambda tx: tx.run(gone, {"id": owner.id}))
        owner.alive = False

    @precondition(lambda self: self.living())
    @rule(
        which=pick,
        left_out=st.sets(pick, max_size=2),
        moved=st.booleans(),
        busy=st.sampled_from([None, None, 3 * MINUTE]),
    )
    def an_owner_beats(self, which: int, left_out: set[int], moved: bool, busy: int | None) -> None:
        """It names its runs, some of them, as they are or with new progress, which may be a word that they are busy."""
        owner = self.living()[which % len(self.living())]
        held = self.model.open_runs(owner.id)
        named = [run for number, run in enumerate(held) if number not in left_out]
        self.beat(owner, named, moved=moved, busy=busy)

    def beat(self, owner: Owner, named: list[Run], *, moved: bool, busy: int | None = None) -> None:
        now = self.clock_of(owner)
        for run in named if moved and not owner.ended else []:
            run.progress = now.mono
            run.busy_until = run.busy_until if busy is None else now.mono + busy
        late = [run for run in self.model.runs.values() if run.owner == owner.id and not run.open][-1:]
        beats = [self.as_beat(run, now) for run in [*named, *late]]
        lost = self.write(doors.heartbeat(owner.id, beats, now))
        if owner.ended:
            assert lost is None, "it must register anew"
            owner.alive = False
            self.enter(here=owner.here)
            return
        assert lost == [ticket(run) for run in late], "what stands no more is named"
        owner.heartbeats += 1
        owner.beaten = now.mono
        for run in self.model.open_runs(owner.id):
            run.left_out = 0 if run in named else run.left_out + 1

    def as_beat(self, run: Run, now: Now) -> Beat:
        ago = now.mono - run.progress
        busy = now.boot + run.busy_until - now.mono if run.busy_until else None
        return Beat(ticket(run), "content", now.boot - ago, now.wall - ago, busy)

    @precondition(lambda self: self.living())
    @rule(which=pick)
    def an_owner_is_drained(self, which: int) -> None:
        owner = self.living()[which % len(self.living())]
        now = self.time()
        applied = self.write(lambda tx: doors.drain(tx, owner.id, now, by="alice", until=now.wall + MINUTE))
        assert applied is not owner.ended
        if applied:
            self.model.drain_owner(owner.id)

    @precondition(lambda self: len(self.living()) > 1)
    @rule(which=pick)
    def an_owner_stops(self, which: int) -> None:
        """It cuts what it holds, and ends its row."""
        owner = self.living()[which % len(self.living())]
        for run in self.model.open_runs(owner.id):
            self.interrupt(run)
        self.end_owner(owner)

    def end_owner(self, owner: Owner) -> None:
        now = self.clock_of(owner)
        applied = self.write(lambda tx: doors.end_owner(tx, owner.id, now, cause="stopped", by="itself"))
        assert applied is not owner.ended
        owner.alive = False
        if applied:
            self.model.end_owner(owner.id)

    # --------------------------------------------------------------------------------------- intake

    @rule(
        key=keys,
        cap=st.integers(1, 4),
        if_idle=st.booleans(),
        mode=st.sampled_from(Mode),
        overflow=st.sampled_from(Overflow),
        bound=st.sampled_from([None, None, None, *BoundTo]),
        which=pick,
    )
    def somebody_sends(
        self, key: str, cap: int, if_idle: bool, mode: Mode, overflow: Overflow, bound: BoundTo | None, which: int
    ) -> None:
        owners = [owner for owner in self.living() if not owner.ended]
        owner = owners[which % len(owners)].id if owners and bound is not None else None
        bound = bound if owner is not None else None
        hold = bound is BoundTo.WAITER
        actor = "bob" if which % 3 == 1 else "sender"
        new = NewMessage(key, None if hold else "hello", actor=actor, bound_to=bound, bound_owner=owner)
        admission = Admission(cap, if_idle, mode, overflow)
        message = Message(0, key, owner, hold, actor=actor)
        answers = self.model.asking(message) is not None
        expected = self.model.refusal(key, cap, if_idle=if_idle, mode=mode, overflow=overflow, answers=answers)
        if owner is not None and self.model.owners[owner].draining:
            expected = Refusal.OWNER_ENDED
        accepted = self.write(doors.accept(new, admission, self.time()))
        self.accepted(accepted, expected, message, cap, mode)

    def accepted(
        self,
        accepted: Any,
        expected: Refusal | None,
        message: Message,
        cap: int = 20,
        mode: Mode = Mode.QUEUE,
        *,
        again: bool = False,
    ) -> None:
        if expected is not None:
            assert accepted == expected
            return
        assert isinstance(accepted, Accepted)
        assert accepted.created
        assert accepted.message_id > max(self.model.messages, default=0), "ids rise"
        message.id = accepted.message_id
        self.model.accept(message, cap, mode, self.time(), again=again)

    @precondition(lambda self: self.model.messages)
    @rule(which=st.integers(0, 50))
    def somebody_retries(self, which: int) -> None:
        message = self.one(self.model.messages, which)
        again = self.write(lambda tx: doors.retry(tx, message.id, Admission(), self.time(), actor="alice"))
        if message.state not in ("failed", "aborted") or message.retried:
            assert again == message.state
        elif message.hold:
            assert again is Refusal.HOLD
        else:
            expected = self.model.refusal(message.key, 20, if_idle=False, mode=Mode.QUEUE, overflow=Overflow.REJECT)
            self.accepted(again, expected, Message(0, message.key, actor="alice"), again=True)
            message.retried = expected is None

    # ----------------------------------------------------------------------------------------- runs

    @precondition(lambda self: self.living())
    @rule(which=pick, head=pick, collect=st.booleans(), kind=st.sampled_from(RunnerKind), under=terms)
    def an_owner_claims(self, which: int, head: int, collect: bool, kind: RunnerKind, under: Terms) -> None:
        self.claim(self.living()[which % len(self.living())], head, kind, under, collect=collect)

    def claim(self, owner: Owner, which: int, kind: RunnerKind, under: Terms, *, collect: bool) -> bool:
        """Claim one of what is claimable, which is exactly what the model says. False: nothing is."""
        now = self.clock_of(owner)

        def step(tx: Any) -> tuple[list[int], Claimed | None]:
            heads = doors.candidates(tx, owner.id, now)
            if not heads:
                return [], None
            head = heads[which % len(heads)]
            together = collect or head.batch is not None  # what ran together stays together
            members = [m.id for m in doors.collectable(tx, head)] if together else []
            claimed = doors.claim(head, owner.id, "chat", kind, under, now, members=members)(tx)
            return [head.message_id for head in heads], claimed

        heads, claimed = self.write(step)
        assert heads == self.model.claimable(owner.id, now), "claimable as the contract says, longest wait first"
        if not heads:
            return False
        assert claimed is not None
        members = claimed.members
        waiting = [m.id for m in self.model.waiting(claimed.message.key)]
        assert list(members) == waiting[: len(members)], "in the order in which they were accepted"
        run = self.model.claim(owner.id, members, kind, under, now)
        assert claimed.ticket == Ticket(run.id, run.id), "a new epoch, one higher than any before"
        return True

    @precondition(lambda self: self.living())
    @rule(which=pick, for_ms=st.sampled_from([SECOND, MINUTE, 2 * MINUTE]))
    def an_owner_postpones(self, which: int, for_ms: int) -> None:
        """Every provider of the first head that it might claim cools."""
        owner = self.living()[which % len(self.living())]
        now, longest = self.clock_of(owner), terms_of_the_end.max_park_ms

        def step(tx: Any) -> tuple[int, str] | None:
            for head in doors.candidates(tx, owner.id, now):
                return head.message_id, doors.postpone(tx, head, now.wall + for_ms, longest, now)
            return None

        done = self.write(step)
        if done is not None:
            assert done[1] == self.model.postpone(done[0], now.wall + for_ms, longest, now)

    @precondition(lambda self: self.model.runs)
    @rule(which=st.integers(0, 50), how=st.sampled_from(["complete", "fail", "park", "expire", "interrupt", "abort"]))
    def a_run_writes(self, which: int, how: str) -> None:
        """Also one that has lost its lane long ago, unless its process is dead."""
        run = self.one(self.model.runs, which)
        if self.model.owners[run.owner].alive:
            getattr(self, how)(run)

    @precondition(lambda self: self.model.open_runs())
    @rule(which=pick, how=st.sampled_from(["complete", "complete", "fail", "park", "interrupt"]))
    def a_run_ends(self, which: int, how: str) -> None:
        runs = self.model.open_runs()
        run = runs[which % len(runs)]
        if self.model.owners[run.owner].alive:
            getattr(self, how)(run)

    def complete(self, run: Run) -> None:
        self.end(run, Edge.COMPLETE, lambda tx, now: doors.complete(ticket(run), RunResult("reply"), now, by="run")(tx))

    def fail(self, run: Run) -> None:
        why = RunFailure(Cause.PROVIDER_FAILED, "all failed")
        self.end(run, Edge.FAIL, lambda tx, now: doors.fail(ticket(run), why, now, by="run")(tx))

    @precondition(lambda self: self.model.open_runs())
    @rule(which=pick, hold=st.booleans())
    def a_run_fails_for_a_cause_that_may_pass(self, which: int, hold: bool) -> None:
        runs = self.model.open_runs()
        run = runs[which % len(runs)]
        if self.model.owners[run.owner].alive:
            why, retry = RunFailure(Cause.BACKEND_LOST, "gone"), TWICE._replace(hold=hold)
            step = lambda tx, now: doors.fail(ticket(run), why, now, by="run", retry=retry)(tx)  # noqa: E731
            self.end(run, Edge.FAIL, step, retry=retry)

    @rule()
    def what_let_others_pass_takes_its_place(self) -> None:
        now = self.time()
        assert self.write(lambda tx: doors.recall(tx, now, by="upkeep")) == self.model.recall(now)

    @precondition(lambda self: self.model.messages)
    @rule(which=st.integers(0, 50))
    def somebody_moves(self, which: int) -> None:
        message = self.one(self.model.messages, which)
        assert self.write(lambda tx: doors.move_to_front(tx, message.id, self.time(), actor="alice")) == message.state
        if message.state == "queued":
            self.model.move(message)

    def park(self, run: Run) -> None:
        why, until = RunFailure(Cause.PROVIDER_COOLING, "all cool"), self.time().wall + MINUTE
        step = lambda tx, now: doors.park(ticket(run), until, why, now, by="run")(tx)  # noqa: E731
        self.end(run, Edge.PARK, step, until=until)

    def expire(self, run: Run) -> None:
        why = RunFailure(Cause.RUN_TIMEOUT, "too long")
        self.end(run, Edge.EXPIRE, lambda tx, now: doors.expire(ticket(run), why, now, by="run", forced=False)(tx))

    def interrupt(self, run: Run) -> None:
        why = RunFailure(Cause.DRAINED, "stops")
        self.end(run, Edge.RECLAIM, lambda tx, now: doors.interrupt(ticket(run), why, now, by="run")(tx), counted=False)

    def abort(self, run: Run) -> None:
        self.end(run, Edge.ABORT, lambda tx, now: doors.abort(ticket(run), now, by="run", forced=False)(tx))

    def end(self, run: Run, edge: Edge, step: Any, **more: Any) -> None:
        now = self.clock_of(self.model.owners[run.owner])
        release: Release = self.write(lambda tx: step(tx, now))
        unasked = edge is Edge.ABORT and run.abort_at is None
        assert release.applied is (run.open and not unasked)
        if not run.open:
            run.refused += 1
        elif release.applied:
            assert release.edge is self.model.release(run, edge, now, **more)

    @precondition(lambda self: self.model.open_runs() and self.model.messages)
    @rule(which=pick, whom=st.integers(0, 50))
    def a_run_waits(self, which: int, whom: int) -> None:
        runs = self.model.open_runs()
        run, message = runs[which % len(runs)], self.one(self.model.messages, whom)
        now = self.clock_of(self.model.owners[run.owner])
        noted = self.write(lambda tx: doors.begin_wait(tx, Waiter(run.id, PROCESS), message.id, now))
        if self.model.would_circle(run, message.key):
            assert isinstance(noted, WaitCircle)
            assert noted.keys[0] == noted.keys[-1] == run.key
        else:
            assert noted is True
            run.waits.add(message.id)
            run.progress = max(run.progress, now.mono)

    @precondition(lambda self: self.model.open_runs())
    @rule(which=pick, limit=st.sampled_from([MINUTE, 5 * MINUTE]))
    def a_run_asks(self, which: int, limit: int) -> None:
        runs = self.model.open_runs()
        run = runs[which % len(runs)]
        if self.model.owners[run.owner].alive:
            now = self.clock_of(self.model.owners[run.owner])
            new = NewQuestion(f"{run.id}.1", "Which?", limit)
            asked = self.write(lambda tx: doors.ask(tx, ticket(run), new, now, by="run"))
            assert (asked is not None) is self.model.question(run, limit, now)

    @precondition(lambda self: self.model.runs)
    @rule(which=st.integers(0, 50), how=st.sampled_from(["answer", "answer", "close", "steer"]))
    def a_run_takes(self, which: int, how: str) -> None:
        """Also one that has lost its lane, or asks nothing."""
        run = self.one(self.model.runs, which)
        self.take(run, how)

    @precondition(lambda self: self.model.open_runs())
    @rule(which=pick, how=st.sampled_from(["answer", "steer"]))
    def an_open_run_takes(self, which: int, how: str) -> None:
        runs = self.model.open_runs()
        self.take(runs[which % len(runs)], how)

    def take(self, run: Run, how: str) -> None:
        owner = self.model.owners[run.owner]
        if not owner.alive:
            return
        now, question = self.clock_of(owner), f"{run.id}.1"
        steps = {
            "answer": lambda tx: doors.take_answer(tx, ticket(run), question, now, by="run"),
            "close": lambda tx: doors.close_question(tx, ticket(run), question, now, by="run", reason="expired"),
            "steer": lambda tx: doors.take_steer(tx, ticket(run), now, by="run"),
        }
        taken = self.write(steps[how])
        assert (None if taken is None else taken.message_id) == self.model.take(run, how, now)

    # ------------------------------------------------------------------------------------- operators

    @rule(
        key=keys,
        scope=st.sampled_from(Scope),
        meant=st.sampled_from([None, None, 0, 1]),
        grace=st.sampled_from([None, 0, 5 * SECOND]),
    )
    def somebody_aborts(self, key: str, scope: Scope, meant: int | None, grace: int | None) -> None:
        lane, now = self.model.lanes.get(key), self.time()
        epoch = None if meant is None or lane is None else lane.epoch - meant
        asked = self.write(
            lambda tx: doors.request_abort(tx, key, now, actor="alice", scope=scope, epoch=epoch, grace_ms=grace)
        )
        if lane is None:
            assert asked is None
            return
        assert asked is not None
        assert asked.moved_on is (meant == 1)
        if asked.moved_on:
            return
        waited = len(self.model.waiting(key))
        if lane.run is None and scope is not Scope.QUEUE:
            self.model.clear_head(key)
        if scope is not Scope.RUN:
            self.model.end(self.model.waiting(key), "aborted")
        assert asked.cut == waited - len(self.model.waiting(key))
        if lane.run is not None and scope is not Scope.QUEUE:
            assert asked.ticket == Ticket(lane.run, lane.run)
            self.model.ask(self.model.runs[lane.run], grace, now)

    @precondition(lambda self: self.model.messages)
    @rule(which=st.integers(0, 50))
    def what_a_message_is_bound_to_goes(self, which: int) -> None:
        message, now = self.one(self.model.messages, which), self.time()
        self.write(lambda tx: doors.end_bound(tx, message.id, now, actor="client", reason="left"))
        if message.bound is not None and message.state == "queued":
            self.model.end([message], "aborted")
        elif message.bound is not None and message.state == "running":
            lane = self.model.lanes[message.key]
            assert lane.run is not None
            self.model.ask(self.model.runs[lane.run], None, now)

    @rule(key=keys, for_ms=st.sampled_from([0, 0, MINUTE]))
    def somebody_pauses(self, key: str, for_ms: int) -> None:
        lane, now = self.model.lanes.get(key), self.time()
        until = now.wall + for_ms if for_ms else None
        done = self.write(lambda tx: doors.pause(tx, key, now, actor="alice", reason="look", until=until))
        assert done.applied is (lane is not None)
        if lane is not None:
            lane.pauses[PauseKind.HAND] = until or 0

    @rule(key=keys)
    def somebody_resumes(self, key: str) -> None:
        self.resume(key)

    def resume(self, key: str) -> None:
        lane = self.model.lanes.get(key)
        done = self.write(lambda tx: doors.resume(tx, key, self.time(), actor="alice"))
        assert done.applied is (lane is not None and lane.pauses != {})
        if lane is not None:
            lane.pauses.clear()

    @rule(key=keys)
    def somebody_acknowledges(self, key: str) -> None:
        lane = self.model.lanes.get(key)
        done = self.write(lambda tx: doors.ack(tx, key, self.time(), actor="alice"))
        applied = lane is not None and lane.state in (LaneState.ERRORED, LaneState.ABORTED)
        assert done.applied is applied
        if lane is not None and applied:
            lane.state = LaneState.IDLE

    @precondition(lambda self: self.model.messages)
    @rule(which=st.integers(0, 50))
    def somebody_drops(self, which: int) -> None:
        message = self.one(self.model.messages, which)
        assert self.write(lambda tx: doors.drop(tx, message.id, self.time(), actor="alice")) == message.state
        if message.state == "queued":
            self.model.end([message], "dropped")

    # ------------------------------------------------------------------------------- time and judges

    @rule(ms=st.sampled_from([1, SECOND, 5 * SECOND, 11 * SECOND, 31 * SECOND, 2 * MINUTE]))
    def time_passes(self, ms: int) -> None:
        """More than a few seconds at once: every observer was suspended."""
        self.time.move(ms)

    @rule(ms=st.sampled_from([HOUR, -HOUR]))
    def the_wall_clock_jumps(self, ms: int) -> None:
        self.time.jump_wall(ms)

    @precondition(lambda self: self.living())
    @rule(which=pick)
    def an_owner_notes_the_clock(self, which: int) -> None:
        now = self.clock_of(self.living()[which % len(self.living())])
        self.write(lambda tx: doors.note_clock(tx, now))
        self.model.note_clock(now)

    @rule(which=st.integers(0, 1))
    def an_observer_looks(self, which: int) -> None:
        self.watches[which].look()

    @rule(which=st.integers(0, 1))
    def an_observer_acts(self, which: int) -> None:
        """On what it saw then, whatever has happened since."""
        self.watches[which].act()

    @rule(which=st.integers(0, 1), passes=st.integers(1, 30), beating=st.booleans(), moving=st.booleans())
    def an_observer_watches(self, which: int, passes: int, beating: bool, moving: bool) -> None:
        """Pass by pass, at its interval; the owners beat or are silent all the while, their runs move or do not."""
        for _ in range(passes):
            self.time.move(5 * SECOND)
            for owner in self.living() if beating else []:
                if not owner.ended:
                    self.beat(owner, self.model.open_runs(owner.id), moved=moving)
            self.watches[which].look()
            self.watches[which].act()
            self.watches[which].nothing_dead_is_held()

    # --------------------------------------------------------------------------------------- judging

    @invariant()
    def every_invariant_holds(self) -> None:
        found = broken(self.store)
        assert not found, found

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        model = self.model
        lanes = {lane.key: (lane.state, lane.epoch, lane.run) for lane in model.lanes.values()}
        self.agree("SELECT key, state, epoch, run_id FROM lanes", lanes)
        pauses = {
            f"{kind} {lane.key}": (until,) for lane in model.lanes.values() for kind, until in lane.pauses.items()
        }
        named = "p.kind || ' ' || l.key, coalesce(p.until, 0)"
        self.agree(f"SELECT {named} FROM pauses p JOIN lanes l ON l.id = p.lane_id", pauses)
        messages = {
            m.id: (m.state, m.interruptions, m.parked_until, m.answered_by, m.started, m.retries, m.rank, m.for_run)
            for m in model.messages.values()
        }
        columns = (
            "id, state, interruptions, parked_until, answered_by, started_at IS NOT NULL, coalesce(retries, 0), rank,"
            " for_run"
        )
        self.agree(f"SELECT {columns} FROM messages", messages)
        runs = {
            r.id: (r.edge, r.forced, r.refused, r.left_out, r.abort_at is not None, r.asks is not None, r.input)
            for r in model.runs.values()
        }
        columns = "id, edge, forced, refused_writes, left_out, abort_at IS NOT NULL, question IS NOT NULL, input_ms"
        self.agree(f"SELECT {columns} FROM runs", runs)
        owners = {o.id: (o.ended, o.heartbeats) for o in model.owners.values()}
        self.agree("SELECT id, ended_at IS NOT NULL, heartbeats FROM owners", owners)
        counters = "SELECT name, value FROM counters WHERE name IN ('epoch', 'touch')"
        self.agree(counters, {"epoch": (model.counter,), "touch": (0,)})

    def agree(self, sql: str, expected: dict[Any, tuple[Any, ...]]) -> None:
        found = self.rows(sql)
        wrong = {
            key: (found.get(key), expected.get(key)) for key in found | expected if found.get(key) != expected.get(key)
        }
        assert not wrong, f"found, expected: {wrong}"

    def rows(self, sql: str) -> dict[Any, tuple[Any, ...]]:
        return self.store.read(Query(sql, {}, lambda rows: {row[0]: tuple(row[1:]) for row in rows}))

    def write(self, step: Step[T]) -> T:
        return self.store.write(step)

    def one(self, of: dict[int, T], which: int) -> T:
        return of[sorted(of)[which % len(of)]]

    def teardown(self) -> None:
        """Everyone falls silent; then one new owner does what is left. In the end every message has ended, once."""
        try:
            if self.model.owners:
                self.settle()
        finally:
            self.store.close()
            self.folder.cleanup()

    def settle(self) -> None:
        for _ in range(STALE_AFTER // BEAT_EVERY + 3):
            self.time.move(BEAT_EVERY)
            self.watches[0].look()
            self.watches[0].act()
        assert self.model.open_runs() == [], "what nobody holds is released, whatever happened before"
        assert all(owner.ended for owner in self.model.owners.values())
        self.enter(here=True)
        self.time.jump_wall(START.wall + 30 * DAY - self.time().wall)  # every park is over, however the clock jumped
        for key in self.model.lanes:
            self.resume(key)
        owner = self.living()[-1]
        while self.claim(owner, 0, RunnerKind.PROVIDER, terms_of_the_end, collect=False):
            self.complete(self.model.open_runs()[0])
        self.every_invariant_holds()
        self.the_rows_are_as_the_model_says()
        history = read_history(self.store, list(self.model.messages), settled=True)
        assert not history.problems, history.problems


def ticket(run: Run) -> Ticket:
    return Ticket(run.id, run.id)


TWICE = RetryTerms(2, 10 * SECOND, frozenset({Cause.BACKEND_LOST}), 365 * DAY)
terms_of_the_end = Terms(
    None, None, 10 * SECOND, 5 * SECOND, MINUTE, 3 * MINUTE, OnInterrupt.REQUEUE, OnSurvivors.START
)
