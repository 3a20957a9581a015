"""Holds: a lane held by a block of the caller's own code, in the same queue as messages.

Each hold is a message without input, bound to its process, and has a separate runner that only waits for the end of
the block. So the same engine claims, watches, aborts and releases it as every other run.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Protocol

from lanes.base import arguments
from lanes.base.errors import HoldEnded, RunError, RunFailed, Unfit
from lanes.base.terminal import check_key
from lanes.config import Config
from lanes.engine.dispatch.policies import Policies
from lanes.engine.engine import Engine
from lanes.engine.registration import as_owner
from lanes.engine.runs.live import ActiveRun
from lanes.records import Message
from lanes.runners.base import RunContext, RunnerSpec
from lanes.runners.current import CURRENT, Current
from lanes_storage.clock import Clock
from lanes_storage.errors import StorageError
from lanes_storage.interface import AsyncStore
from lanes_storage.law import Cause, RunnerKind
from lanes_storage.records import Head, Terms
from lanes_storage.threads import to_its_end


class Queue(Protocol):
    """The part of a desk that a hold needs: take a place in the queue, wait, and give the place up."""

    async def take_place(self, key: str, *, runner: str, owner: int, actor: str, if_idle: bool) -> Message: ...
    async def ended(self, message_id: int) -> Message: ...
    async def give_up(self, message_id: int) -> None: ...


class HoldRunner:
    """One hold, as a runner: it has the lane from its turn until its block ends."""

    def __init__(self, terms: Terms) -> None:
        loop = asyncio.get_running_loop()
        self.terms = terms
        self.turn: asyncio.Future[RunContext] = loop.create_future()
        self.stopped = False  # this runner cancelled the block
        self.leaving = False  # the block has ended and is about to report it
        self._left: asyncio.Future[BaseException | None] = loop.create_future()
        self._block = asyncio.current_task()

    async def __call__(self, run: RunContext) -> str:
        if not self.turn.done():
            self.turn.set_result(run)
        try:
            error = await asyncio.shield(self._left)
        except asyncio.CancelledError:
            if not self._left.done():
                self._stop_block()
                await to_its_end(self._until_left(run))
            raise
        if error is None:
            return ""
        if isinstance(error, RunError):  # also one that would park a message: no block is run again
            raise RunFailed(error.failure.cause, error.failure.message, error.failure.attempts)
        if isinstance(error, Exception | asyncio.CancelledError):
            raise error
        raise RunFailed(Cause.RUNNER_FAILED, f"its block was left by {type(error).__name__}")

    async def _until_left(self, run: RunContext) -> None:
        """Return when the block is left, or its lane is lost and its task has ended: then it may never be left."""
        assert isinstance(run, ActiveRun)
        for end in (run.loss, self._block):
            if end is not None:
                await asyncio.wait({self._left, end}, return_when=asyncio.FIRST_COMPLETED)

    def leave(self, error: BaseException | None) -> None:
        """Report that the block has ended, with its error, or was never entered."""
        if not self._left.done():
            self._left.set_result(error)

    def _stop_block(self) -> None:
        if self._block is not None and not (self.leaving or self._block.done()):
            self.stopped = True
            self._block.cancel()


class Holds:
    """The holds of one process: a separate owner, which starts with the first hold."""

    def __init__(self, store: AsyncStore, clock: Clock, config: Config, queue: Queue) -> None:
        self._config = config
        self._queue = queue
        self._runners: dict[str, RunnerSpec] = {}  # by name; the engine only looks up single ones
        self._numbers = count(1)
        self._engine = Engine(
            store,
            clock,
            as_owner("desk", config),
            self._runners,
            _HoldPolicies(),
            reconcile_interval_ms=config.clocks.reconcile_interval_ms,
            reconciled=lambda _: None,
            bound_only=True,
        )

    async def start(self) -> None:
        """Register as an owner and begin to claim. Raises StorageError."""
        await self._engine.start()

    @property
    def owner_id(self) -> int:
        """The id of this process as an owner. It changes if other processes have declared this one dead."""
        return self._engine.owner_id

    async def stop(self) -> None:
        """Cancel every block that still holds a lane, and end the owner's row."""
        await self._engine.stop()

    @asynccontextmanager
    async def hold(
        self,
        key: str,
        *,
        actor: str,
        run_timeout: float | None,
        stall_timeout: float | None,
        if_idle: bool,
        timeout: float | None,
    ) -> AsyncIterator[ActiveRun]:
        """See ``Desk.hold``."""
        check_key(key)
        timeout = arguments.patience_s(timeout)
        name, runner = f"hold-{next(self._numbers)}", HoldRunner(self._terms(key, run_timeout, stall_timeout))
        self._runners[name] = RunnerSpec(name, RunnerKind.PYTHON, runner, 1)
        try:
            owner = self._engine.owner_id
            placing = self._queue.take_place(key, runner=name, owner=owner, actor=actor, if_idle=if_idle)
            placed = asyncio.ensure_future(placing)
            try:
                message = await asyncio.shield(placed)
                run = await self._turn(runner, message, timeout)
            except BaseException:
                await to_its_end(self._withdraw(runner, placed))
                raise
            async with self._block(runner, message, run):
                yield run
        finally:
            runner.leave(None)  # also after a failure before the block: the place is of no use any more
            del self._runners[name]

    async def _withdraw(self, runner: HoldRunner, placed: "asyncio.Future[Message]") -> None:
        """Give up the place in the queue, and return once its message has ended: it may have been claimed meanwhile."""
        await asyncio.wait({placed})
        runner.leave(None)
        if not placed.cancelled() and placed.exception() is None:
            await self._queue.give_up(placed.result().id)
            await self._queue.ended(placed.result().id)

    async def _turn(self, runner: HoldRunner, message: Message, timeout: float | None) -> ActiveRun:
        """Wait until the lane is held. Raises HoldEnded if the place is lost before, TimeoutError."""
        ended = asyncio.ensure_future(self._queue.ended(message.id))
        try:
            async with asyncio.timeout(timeout):
                either: list[asyncio.Future[Any]] = [ended, runner.turn]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not runner.turn.done():
                raise _ended(ended.result())
            run = runner.turn.result()
            assert isinstance(run, ActiveRun)
            return run
        finally:
            ended.cancel()

    @asynccontextmanager
    async def _block(self, runner: HoldRunner, message: Message, run: ActiveRun) -> AsyncIterator[None]:
        """The caller's block; the lane is released before this returns, in whatever way the block ends."""
        task = asyncio.current_task()
        assert task is not None
        cancelled_before = task.cancelling()
        outer, inner = CURRENT.get(), Current(run.database, run.id)
        CURRENT.set(inner)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            runner.leaving = True
            if CURRENT.get() == inner:  # another task may end it: that of a fixture, or of a generator that was left
                CURRENT.set(outer)
            try:
                ended = await to_its_end(self._left(runner, message.id, error))
            finally:
                ours_alone = runner.stopped and task.uncancel() <= cancelled_before
            if ours_alone:
                raise _ended(ended) from error

    async def _left(self, runner: HoldRunner, message_id: int, error: BaseException | None) -> Message:
        """A block has ended: return once its lane is released."""
        try:
            if isinstance(error, asyncio.CancelledError) and not runner.stopped:
                with contextlib.suppress(StorageError):  # if that fails, the run ends without an abort
                    await self._queue.give_up(message_id)  # a cancelled caller aborts its run
        finally:
            runner.leave(error)
        return await self._queue.ended(message_id)

    def _terms(self, key: str, run_timeout: float | None, stall_timeout: float | None) -> Terms:
        """The limits of the policy, replaced by those that the caller sets."""
        terms = self._config.terms(key, RunnerKind.PYTHON)
        run_ms = terms.run_timeout_ms if run_timeout is None else arguments.limit_ms(run_timeout, "run_timeout")
        stall_ms = (
            terms.stall_timeout_ms if stall_timeout is None else arguments.limit_ms(stall_timeout, "stall_timeout")
        )
        if run_ms is not None and stall_ms is not None and stall_ms > run_ms:
            if None not in (run_timeout, stall_timeout):
                raise Unfit("stall_timeout is at most run_timeout")
            # the limit that the caller did not set is adjusted
            run_ms, stall_ms = (run_ms, run_ms) if stall_timeout is None else (stall_ms, stall_ms)
        return terms._replace(run_timeout_ms=run_ms, stall_timeout_ms=stall_ms)


class _HoldPolicies(Policies):
    """The policies of holds: the terms come from the hold's own runner, and only the caller can retry a hold."""

    def terms(self, head: Head, spec: RunnerSpec) -> Terms:
        del head
        assert isinstance(spec.run, HoldRunner)
        return spec.run.terms


def _ended(message: Message) -> HoldEnded:
    error = message.error
    if error is None:
        return HoldEnded(message.key, Cause.OWNER_SILENT, f"its place ended {message.state}")
    return HoldEnded(message.key, error.cause, error.message)
