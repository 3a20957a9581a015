"""One run from its claim to its release. The release belongs to the engine, never to the runner.

Whatever the runner does (return, raise, hang, ignore its cancellation), exactly one release is attempted here,
guarded by the run's id and epoch. If the lane is taken away in the meantime, the run is left behind: a late result
is still passed to the store, which refuses and counts it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from inspect import isasyncgen, isawaitable
from typing import Any

from lanes.base.errors import RunError, RunFailed
from lanes.base.sentences import failure_of, sentence
from lanes.engine.background.isolation import LEAVES, why_left
from lanes.engine.runs.drains import CUT_GRACE_MS, LOST, cut_one
from lanes.engine.runs.hook_runner import HookRunner
from lanes.engine.runs.hooks import Hooks
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.runs.results import Parking, result_of
from lanes.engine.runs.stops import Stop, StopKind
from lanes.engine.runs.streams import Streams
from lanes.runners.base import Reply
from lanes.runners.current import CURRENT, Current
from lanes.runners.http.failures import NoProcess
from lanes_storage import doors
from lanes_storage.clock import Clock, Now
from lanes_storage.errors import DatabaseReplaced, StorageError, StoreClosed
from lanes_storage.interface import AsyncStore, CommandStep, Transaction
from lanes_storage.law import Cause, MessageState, OnInterrupt
from lanes_storage.logs import Log
from lanes_storage.records import Release, RetryTerms, RunFailure, RunResult, RunUsage
from lanes_storage.threads import call_off, kept

log = Log("lanes.run")

#: Creates the release of a run, for the time of the attempt.
Ending = Callable[[Now], CommandStep[Release]]
#: Seconds between two attempts to write a release while the database fails.
RETRY_FIRST_S = 0.05
RETRY_LONGEST_S = 2.0
#: Milliseconds between two log lines about ends that cannot be stored: a thousand runs may wait for one disk.
COMPLAIN_EVERY_MS = 5_000
#: How long a cancelled body may take to end before a warning is logged.
STRAY_S = 1.0


class Execution:
    """Executes claimed runs. For the event loop."""

    def __init__(
        self, store: AsyncStore, clock: Clock, live: LiveSet, streams: Streams, hook_runner: HookRunner | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._live = live
        self._streams = streams
        self._hook_runner = hook_runner or HookRunner(Hooks(), store)
        self._tasks: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()
        self._closing = False
        self._unstored = 0  # runs that ended after the store was closed: others will find their lanes held
        self._refused: set[int] = set()  # runs whose ends could not be stored yet
        self._complained_at: int | None = None
        #: What each runner used here: input and output tokens, and millionths of a US dollar.
        self.used: Counter[tuple[str, str]] = Counter()

    def start(self, run: ActiveRun) -> None:
        run.stream = self._streams.of(run.claimed.message.id).begin()
        self._hook_runner.before(run)
        kept(self._tasks, self._execute(run), f"lanes-run-{run.id}")

    async def idle(self) -> None:
        """Return once no run holds a lane any more."""
        while len(self._live) > self._unstored:
            self._released.clear()
            await self._released.wait()

    async def close(self) -> None:
        """Leave behind the runs that have not ended: the process is about to end, too."""
        self._closing = True
        await call_off(*self._tasks)

    async def _execute(self, run: ActiveRun) -> None:
        # Not by the task factory of the loop: an eager task begins at once, even if the run is to stop before that.
        body = asyncio.Task(_body(run), name=f"lanes-runner-{run.id}")
        run.attach(body)
        try:
            await self._over_or_lost(run, body)
            if not body.done():
                self._live.stray(run)
                self._free(run, None)
                await self._outlast(run, body)
            await self._release(run, body)
        except asyncio.CancelledError:
            if not self._closing:  # the writer already has the release
                self._free(run, None)
            raise
        finally:
            self._live.end_stray(run)
            if not body.done():
                body.cancel()

    async def _over_or_lost(self, run: ActiveRun, body: "asyncio.Task[str | Reply]") -> None:
        """Return when the work of the run has ended, or its lane was taken away.

        An event loop that ends cancels all its tasks: then the run is interrupted instead of left behind.
        """
        either: tuple[asyncio.Future[Any], ...] = (body, run.loss)
        while not (body.done() or run.lost):
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                if self._closing:
                    raise
                if run.stop is None:
                    ended = "its event loop ended"
                    run.stop = Stop(StopKind.DRAIN, Cause.DRAINED, ended, CUT_GRACE_MS, self._clock().mono)
                    self._live.note_stop(run)
                if not body.cancelling():
                    body.cancel()

    async def _outlast(self, run: ActiveRun, body: "asyncio.Task[str | Reply]") -> None:
        """Wait for the end of a body whose lane is gone. If it does not end, log it: it still uses a slot and
        memory."""
        await asyncio.wait({body}, timeout=STRAY_S)
        if not body.done():
            used, spec = self._live.of_runner(run.spec.name), run.spec
            log.warning(
                "%s has lost its lane and swallows its cancellation: its task still runs in this process and keeps a"
                " slot of runner %s (%d of %d are taken; such tasks keep %d in all) until it ends, or until a restart",
                run.named, ascii(spec.name), used, spec.max_runs, self._live.strays,
            )  # fmt: skip
            await asyncio.wait({body})

    async def _release(self, run: ActiveRun, body: "asyncio.Task[str | Reply]") -> None:
        """Write how the run ended, and retry while the database fails, until the outcome is known."""
        if run.lost and body.cancelled():
            self._free(run, None)
            return
        ending = self._ending(run, body)
        if body.cancelled() or body.exception() is not None:
            self._count(run.spec.name, run.used)
            ending = _with_usage(run, ending)
        release = await self._write(run, ending)
        if release is None:
            self._unstored += 1
            self._released.set()
            return
        if not release.applied:
            log.warning("%s had lost its lane: its late write was refused", run.named)
        self._free(run, release)

    async def _write(self, run: ActiveRun, ending: Ending) -> Release | None:
        """Write a release, with retries, until its outcome is known. Returns None if the store was closed meanwhile."""
        pause, plain = RETRY_FIRST_S, False
        try:
            while True:
                try:
                    return await self._store.write(ending(self._clock()).and_then(partial(_noted, run)))
                except StoreClosed:
                    return None
                except StorageError as error:
                    self._complain(run, error)
                except Exception as error:  # the result cannot be stored: the lane must not wait for it
                    log.exception("%s: its end can not be stored", run.named)
                    if not plain:
                        failure = failure_of(Cause.RUNNER_FAILED, f"its end can not be stored: {sentence(error)}")
                        ending, plain = _failed(run, failure), True
                        continue
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_LONGEST_S)
        finally:
            self._refused.discard(run.id)

    def _complain(self, run: ActiveRun, error: StorageError) -> None:
        self._refused.add(run.id)
        now = self._clock().mono
        if isinstance(error, DatabaseReplaced):  # the upkeep logs that, once
            return
        if self._complained_at is None or now - self._complained_at >= COMPLAIN_EVERY_MS:
            self._complained_at = now
            others = len(self._refused) - 1
            named = f"{run.named}, and {others} more" if others else run.named
            log.warning("%s: its end is not stored yet: %s", named, error)

    def _ending(self, run: ActiveRun, body: "asyncio.Task[str | Reply]") -> Ending:
        """The release that matches the end of the body."""
        error = None if body.cancelled() else body.exception()
        # isinstance() could run code of the error; and a runner may use other databases
        lost = issubclass(type(error), DatabaseReplaced) and vars(error).get("database") == self._store.name
        if lost:
            cut_one(run, LOST, self._clock())  # its runner noticed that before the upkeep did
        if lost or body.cancelled():
            return self._stopped(run)
        if issubclass(type(error), NoProcess):
            self._live.note_no_process(run.spec.name)
        ticket, by, retry = run.ticket, run.by, None if error is None else _repeatable(run)
        end = result_of(body, run.named, self._clock())
        if isinstance(end, RunResult):
            self._count(run.spec.name, end.usage)
            return lambda now: doors.complete(ticket, end, now, by=by).and_then(partial(_spent, run, end.usage, now))
        if isinstance(end, Parking):
            how: dict[str, Any] = {"by": by, "retry": retry, "providers": end.providers}
            return lambda now: doors.park(ticket, end.until, end.failure, now, **how)
        return _failed(run, end, retry)

    def _count(self, runner: str, usage: RunUsage | None) -> None:
        if usage is not None:
            self.used[runner, "input"] += usage.input_tokens
            self.used[runner, "output"] += usage.output_tokens
            self.used[runner, "cost"] += usage.cost_micros or 0

    def _stopped(self, run: ActiveRun) -> Ending:
        """The release of a run whose body was cancelled."""
        ticket, by, stop = run.ticket, run.by, run.stop
        if stop is None:
            return _failed(run, failure_of(Cause.RUNNER_FAILED, "the runner cancelled itself"))
        retry = _repeatable(run) if stop.kind is StopKind.EXPIRE else None
        return lambda now: stop.release(ticket, now, by=by, forced=False, retry=retry)

    def _free(self, run: ActiveRun, release: Release | None) -> None:
        """The run no longer holds its lane. ``release`` is None if the lane was taken away."""
        self._live.leave(run)
        self._released.set()
        self._hook_runner.after(run, release)
        if release is not None and release.applied and release.message_state is not MessageState.QUEUED:
            self._streams.end(run.claimed.message.id)
        else:
            self._streams.release(run.claimed.message.id, run.stream)


async def _body(run: ActiveRun) -> str | Reply:
    """The runner. It runs in a separate task, so that its cancellation is not confused with that of the engine."""
    CURRENT.set(Current(run.database, run.id))
    try:
        answer = run.spec.run(run)
        if not isawaitable(answer):
            raise RunFailed(Cause.RUNNER_FAILED, _advice(answer))
        return await answer
    except (asyncio.CancelledError, RunError) as raised:
        # Without its traceback: the frames refer to everything that was sent, and a timeout among them to this task,
        # which would be a reference cycle.
        raise raised.with_traceback(None)  # noqa: B904 - the same error
    except LEAVES as left:
        raise RunFailed(Cause.RUNNER_FAILED, why_left(left)) from left
    except ExceptionGroup as group:
        error = _alone(group)
    finally:
        run.note_end()  # in this iteration of the event loop: the next one may be late
    raise error.with_traceback(None) if isinstance(error, RunError) else error


def _advice(answer: object) -> str:
    if isasyncgen(answer):
        return "its runner yields: hand the pieces to run.emit, and return the reply"
    return "its runner is not an async function: hand in lanes.ThreadRunner(function)"


def _alone(group: ExceptionGroup[Exception]) -> Exception:
    """The error of a group that has only one: a task group wraps even a single error. Others are returned unchanged."""
    error: Exception = group
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error


def _repeatable(run: ActiveRun) -> RetryTerms | None:
    """The retry terms of its policy, if its message may run again automatically: the policy requeues interrupted runs,
    and no piece of the reply has reached a caller. Then the pieces are discarded, so that none can from now on."""
    if run.retry is None or run.terms.on_interrupt != OnInterrupt.REQUEUE or run.reached_caller:
        return None
    run.discard()
    return run.retry


def _failed(run: ActiveRun, failure: RunFailure, retry: RetryTerms | None = None) -> Ending:
    return lambda now: doors.fail(run.ticket, failure, now, by=run.by, retry=retry)


def _spent(run: ActiveRun, usage: RunUsage | None, now: Now, tx: Transaction, release: Release) -> Release:
    """Count what the run used in its budgets, even if its release was refused; returns the release."""
    if run.budgets and usage is not None:
        amounts = {"tokens": usage.input_tokens + usage.output_tokens, "cost_micros": usage.cost_micros or 0}
        doors.spend(tx, run.claimed.message.lane_id, run.budgets, now, **amounts)
    return release


def _with_usage(run: ActiveRun, ending: Ending) -> Ending:
    """The release of a run without a reply, which also stores what the run has used."""
    usage = run.used
    if usage is None:
        return ending

    def note(now: Now, tx: Transaction, release: Release) -> Release:
        doors.note_usage(tx, run.claimed.message.lane_id, run.id, usage)
        return _spent(run, usage, now, tx, release)

    return lambda now: ending(now).and_then(partial(note, now))


def _noted(run: ActiveRun, tx: Transaction, release: Release) -> Release:
    """Note for the other threads, before the commit, that the run itself releases its lane; returns the release."""
    if release.applied:
        run.note_release(tx)
    return release
