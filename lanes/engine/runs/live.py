"""The runs that this process holds: its heartbeats name them and its watchdog judges them.

A run is added in the writer thread before its claim commits, so that no heartbeat can leave it out. It is removed
only when its lane is known to be released.
"""

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from lanes.base import arguments
from lanes.conversations.turns import ALL_CHARACTERS, chat_messages, exchanges, turn_from
from lanes.engine.background.isolation import isolated, why_left
from lanes.engine.input.asking import RunInput, Slots
from lanes.engine.runs.stops import Stop, StopKind
from lanes.engine.runs.streams import RunStream
from lanes.records import Message
from lanes.runners.base import QUESTION_LIMIT_S, Delta, Inbox, RunnerSpec, StopHow, Turn, permitted, to_delta
from lanes.runners.usage import run_usage
from lanes.text.chats import last_user_text
from lanes_storage import doors, reads
from lanes_storage.clock import Clock, Now
from lanes_storage.doors.conversations import WAITS
from lanes_storage.interface import AsyncStore, Transaction
from lanes_storage.law import turn_of
from lanes_storage.logs import Log
from lanes_storage.records import AttemptPhase, Beat, BudgetTerms, Claimed, RetryTerms, RunUsage
from lanes_storage.threads import in_loop, is_running

log = Log("lanes.run")

#: An attempt at a provider that takes longer than this is stored before the next heartbeat.
SHOWN_AFTER_MS = 250
#: How many of the last characters of a reply are stored with each heartbeat.
REPLY_SO_FAR = 1_000


class Sign(NamedTuple):
    """A sign of progress: what it was, and when by the monotonic clock, which stops while the machine sleeps.

    ``busy_until_mono``: until when the run has announced to be busy.
    """

    progress: str
    at_mono: int
    busy_until_mono: int | None


class ActiveRun:
    """One live run. Its runner sees it as ``RunContext``; every method may be called from any thread."""

    def __init__(
        self,
        claimed: Claimed,
        spec: RunnerSpec,
        owner_id: int,
        store: AsyncStore,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.claimed = claimed
        self.owner_id = owner_id
        self.spec = spec
        self.database = store.name
        self.ticket = claimed.ticket
        self.terms = claimed.terms
        self.stop: Stop | None = None
        self.warn_after_ms = claimed.terms.warn_held_after_ms  # how long it may work before the next warning
        self.waiting = False  # it waits for a message of another lane, so it is not stalled
        self.lost = False  # it no longer holds its lane; a result of its runner is late
        self.body_ended_at: int | None = None  # its work has ended; only its release is not stored yet
        self.used: RunUsage | None = None  # as it reports while it works
        self.released = False  # this process has stored its release; set in the writer
        self.stream: RunStream | None = None  # set on the event loop before the runner starts
        self.retry: RetryTerms | None = None  # from its policy, like the budgets
        self.budgets: tuple[BudgetTerms, ...] = ()
        self._store = store
        self._clock = clock
        self._loop = loop
        self._lock = threading.Lock()
        now = clock()
        self.claimed_mono = now.mono
        self._progress = "claimed"
        self._progressed = now
        self._busy_until_mono: int | None = None
        self._reply_so_far = ""
        self._attempt: AttemptPhase | None = None
        self._attempt_mono = now.mono
        self._named: AttemptPhase | None = None  # in its last heartbeat, and in the last committed one
        self._shown: AttemptPhase | None = None
        self._body: asyncio.Task[Any] | None = None
        self.loss: asyncio.Future[None] = loop.create_future()  # done once the lane is no longer this run's
        self.slots: Slots | None = None  # of the set that it has joined
        self._input: RunInput | None = None

    # ------------------------------------------------------------------------ what the runner sees

    @property
    def key(self) -> str:
        return self.claimed.message.key

    @property
    def id(self) -> int:
        return self.ticket.run_id

    @property
    def epoch(self) -> int:
        return self.ticket.epoch

    @property
    def named(self) -> str:
        """The name of the run in the log."""
        return f"run {self.id} of lane {self.key!a}"

    @property
    def by(self) -> str:
        """The name of the owner that claimed the run, in the journal."""
        return f"owner:{self.owner_id}"

    @property
    def message(self) -> Message:
        return Message.of(self.claimed.message, whole=False)

    @property
    def request(self) -> dict[str, Any] | None:
        stored = self.claimed.message.request
        return None if stored is None else json.loads(stored)

    @property
    def text(self) -> str:
        if self.claimed.message.text is not None:
            return self.claimed.message.text
        return last_user_text(self.request or {})

    async def history(self, turns: int) -> list[Turn]:
        return exchanges(await self.recall(turns, ALL_CHARACTERS))

    async def conversation(self, turns: int = 20) -> list[dict[str, Any]]:
        return chat_messages(await self.recall(turns, ALL_CHARACTERS), self.text, tools=True)

    async def recall(self, turns: int, characters: int) -> list[Turn]:
        turns, characters = arguments.count(turns, "turns"), arguments.count(characters, "characters")
        query = reads.recalled(self.claimed.message.lane_id, turns, characters)
        return list(map(turn_from, await self._store.read(query))) if turns > 0 else []

    async def tell_from(self, turn: int | None) -> None:
        first = turn_of(self.claimed.message.id) if turn is None else arguments.count(turn, "turn")
        await self._store.write(lambda tx: doors.tell_from(tx, self.ticket, first))

    async def ask(
        self, question: str, *, timeout: float = QUESTION_LIMIT_S, options: Sequence[str] = (), permission: bool = False
    ) -> str:
        checked, run_input = arguments.question(question, timeout, options, permission), self._run_input()
        return (await in_loop(self._loop, run_input.ask(*checked, permission=permission), run_input.keep)).text

    async def permit(self, what: str, *, timeout: float = QUESTION_LIMIT_S) -> bool:
        return await permitted(self, what, timeout)

    def inbox(self) -> Inbox:
        run_input = self._run_input()
        return Inbox(
            lambda: in_loop(self._loop, run_input.steer(), run_input.keep),
            lambda: in_loop(self._loop, run_input.left(), lambda texts: run_input.keep(*texts)),
        )

    def progress(self, what: str) -> None:
        progress = arguments.text(what, "progress")
        with self._lock:
            self._note_progress(progress)

    def busy(self, seconds: float, what: str = "busy") -> None:
        ms, progress = arguments.span_ms(seconds, "busy"), arguments.text(what, "what it is busy with")
        with self._lock:
            now = self._note_progress(progress)
            self._busy_until_mono = now.mono + ms

    def spent(self, usage: dict[str, Any] | None, cost_usd: float | None = None) -> None:
        cost = arguments.amount_or_none(cost_usd, "cost_usd")
        self.used = run_usage(arguments.dict_or_none(usage, "usage"), cost)

    def attempt(self, phase: AttemptPhase | None) -> None:
        attempt = None if phase is None else arguments.attempt_phase(phase)
        with self._lock:
            now = self._clock()
            self._attempt = attempt and attempt._replace(at=now.wall, boot=now.boot, slept=now.slept)
            self._attempt_mono = now.mono
        if self.slots is not None:
            self.slots.note_attempt(self)

    def emit(self, *pieces: Delta | str) -> None:
        deltas = [to_delta(piece) for piece in pieces]
        with self._lock:
            self._note_progress("content")
            self._reply_so_far = "".join([self._reply_so_far, *(delta.text for delta in deltas)])[-REPLY_SO_FAR:]
        if self.stream is None or self.lost:
            return
        if is_running(self._loop):
            self.stream.put(*deltas)
        else:
            self._loop.call_soon_threadsafe(self.stream.put, *deltas)

    @property
    def reached_caller(self) -> bool:
        return self.stream is not None and self.stream.reached_caller

    def discard(self) -> None:
        if self.reached_caller:
            return
        with self._lock:
            self._reply_so_far = ""
        if self.stream is not None:
            self.stream.discard()

    # ------------------------------------------------------------------------- what the engine sees

    def beat(self) -> Beat:
        """This run as a heartbeat names it."""
        with self._lock:
            progress, at, busy = self._progress, self._progressed, self._busy_until_mono
            busy_boot = None if busy is None else at.boot + busy - at.mono
            reply, ended = self._reply_so_far or None, self.body_ended_at
            attempt = self._named = self._attempt
        if attempt is not None and self.reached_caller:
            attempt = attempt._replace(next=None, rest_ms=0)  # a reply that has begun is not failed over
        return Beat(self.ticket, progress, at.boot, at.wall, busy_boot, reply, at.slept, ended, attempt)

    @property
    def shown(self) -> bool:
        """Whether its row has its current attempt."""
        return self._attempt is self._shown

    def unseen(self, now: Now) -> bool:
        """Whether its current attempt has lasted for a while and is not in its row yet."""
        return not self.shown and now.mono - self._attempt_mono >= SHOWN_AFTER_MS

    @property
    def ends(self) -> bool:
        return self.stop is not None or self.lost

    @property
    def over(self) -> bool:
        return self.body_ended_at is not None or self.lost

    def wait_for_input(self, limit_ms: int) -> bool:
        if self.slots is not None and not self.slots.begin_input(self):
            return False
        self.busy(limit_ms / 1000, WAITS)
        return True

    def judge_again(self) -> None:
        if self.slots is not None:
            self.slots.judge_again(self)

    def go_on(self, progress: str) -> None:
        if self.slots is not None:
            self.slots.end_input(self)
        with self._lock:
            self._note_progress(progress)
            self._busy_until_mono = None

    def began_mono(self, now: Now) -> int:
        """When it began, as its limits count: the time in which it waited for input is left out."""
        return self.claimed_mono + (0 if self._input is None else self._input.waited_ms(now))

    @property
    def question_over_mono(self) -> int | None:
        """When the limit of its question passes; None: it asks nothing."""
        return None if self._input is None else self._input.limit_mono

    def wake_input(self) -> None:
        """Something was sent to it, or the limit of its question has passed. From any thread."""
        if self._input is not None:
            self._input.wake()

    def _run_input(self) -> RunInput:
        with self._lock:
            if self._input is None:
                self._input = RunInput(self, self._store, self._clock, self._loop)
            return self._input

    def note_shown(self) -> None:
        """Note that the last heartbeat, and the attempt in it, is committed."""
        self._shown = self._named

    def note_end(self) -> None:
        """Note that the body of the run has ended: from now on no limit applies to it."""
        self.body_ended_at = self._clock().wall
        self.wake_input()  # a task that outlives the body may wait for input

    def sign(self) -> "Sign":
        """Its last sign of progress, for the watchdog of this process."""
        with self._lock:
            return Sign(self._progress, self._progressed.mono, self._busy_until_mono)

    def note_release(self, tx: Transaction) -> None:
        """Note that its release commits with this transaction: if its lane is gone from then on, no other process took
        it."""
        self.released = True
        tx.on_rollback(self._unreleased)

    def order_stop(self, stop: Stop) -> bool:
        """Request that the run stops, from any thread. The first request counts, but an abort replaces any other."""
        with self._lock:
            if self.stop is not None and not (stop.kind is StopKind.ABORT and self.stop.kind is not StopKind.ABORT):
                return False
            self.stop = stop
        if self.slots is not None:
            self.slots.note_stop(self)
        self._stop_outside(stop.grace_ms)
        self._loop.call_soon_threadsafe(self._cancel)
        return True

    def set_waiting(self, waiting: bool) -> None:
        """Set whether the run waits for a message of another lane. Its stall timeout is suspended meanwhile."""
        if waiting != self.waiting:
            self.progress("waiting for another lane" if waiting else "the wait for another lane ended")
            self.waiting = waiting

    def hurry(self, grace_ms: int) -> None:
        with self._lock:
            if self.stop is not None and grace_ms < self.stop.grace_ms:
                self.stop = replace(self.stop, grace_ms=grace_ms)
        self._stop_outside(grace_ms)

    def lose(self) -> None:
        """This run has lost its lane: stop it, and do not wait for it. From any thread."""
        self.lost = True
        self.wake_input()
        self._stop_outside(0)
        self._loop.call_soon_threadsafe(self._lose)

    def _stop_outside(self, grace_ms: int) -> None:
        """End what the run has started outside of its task: the event loop may be blocked."""
        if self.spec.stop is not None:
            with isolated(log, f"{self.named} can not be stopped"):
                try:
                    self.spec.stop(self, StopHow(grace_ms))
                except BaseException as raised:  # a TimeoutError or a cancellation concerns this run only, too
                    raise RuntimeError(why_left(raised)) from raised

    def attach(self, body: "asyncio.Task[Any]") -> None:
        """Set the task that does the work. An earlier stop request is passed on to it."""
        self._body = body
        body.add_done_callback(self._over)
        if self.stop is not None or self.lost:
            body.cancel()

    def _over(self, _: "asyncio.Task[Any]") -> None:
        """Forget the task that has ended: it refers to this run, and a reference cycle would keep both in memory."""
        self._body = None

    def _note_progress(self, progress: str) -> Now:
        """Record a sign of progress and its time. Call it with the lock held."""
        now = self._clock()
        self._progress, self._progressed = progress[:200], now
        return now

    def _unreleased(self) -> None:
        self.released = False

    def _cancel(self) -> None:
        if self._body is not None and not self._body.done():
            self._body.cancel()

    def _lose(self) -> None:
        if not self.loss.done():
            self.loss.set_result(None)
        self._cancel()
