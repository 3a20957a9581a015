"""The desk: everything an operator or an embedding program can do with lanes, on asyncio.

    async with lanes.connect("sqlite:///lanes.db") as desk:
        message = await desk.send("agent:main:telegram:42", "hello")
        outcome = await desk.abort("agent:main:telegram:42", actor="alice", reason="stuck")

Every method runs the procedure of the same name in ``lanes.operations``, which documents it.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, cast

from lanes import incoming, operations, records
from lanes.changes import Changes
from lanes.config import Config, from_data
from lanes.context import Context
from lanes.engine.current import current_run
from lanes.engine.holds import Holds
from lanes.procedure import Effect, Look, Procedure, Read, Tell, Write, raised
from lanes.records import Lane, Message
from lanes.runners.base import RunContext
from lanes.verbs import control
from lanes.verbs.verb import Verb
from lanes.waiting import Endings
from lanes_storage import open_async_store
from lanes_storage.interface import AsyncStore, Query
from lanes_storage.law import BoundTo, Cause, MessageState, Mode, Overflow, Scope
from lanes_storage.moment import Clock, system_clock
from lanes_storage.records import LaneFilter, LaneOrder

T = TypeVar("T")
#: Who acts when an embedding program does not say.
EMBEDDER = "embedder"


@asynccontextmanager
async def connect(
    url: str,
    *,
    create: bool = True,
    synchronous: str = "full",
    config: Config | None = None,
    clock: Clock = system_clock,
) -> AsyncIterator["Desk"]:
    """Open a database (a path, or ``sqlite:///path``) and close it at the end of the block.

    ``config`` says how lanes take messages, and under which limits holds run; without it everything has its default.
    Makes it, and upgrades one with an older schema, unless ``create`` is False: a program of the older version refuses
    the file from then on. Raises ``StorageError``: missing, older, newer, damaged, locked, not writable.
    """
    desk = Desk(await open_async_store(url, create=create, synchronous=synchronous), clock, config)
    try:
        yield desk
    finally:
        await desk.close()


class Desk:
    """A database and what can be done with it. Belongs to the event loop that it was made in."""

    def __init__(self, store: AsyncStore, clock: Clock = system_clock, config: Config | None = None) -> None:
        self.store = store
        self.clock = clock
        self.config = config
        self.changes = Changes(store)
        self._endings = Endings(store, self.changes)
        self._holds: Holds | None = None
        self._starting_holds = asyncio.Lock()

    async def close(self) -> None:
        """Cancel what still holds lanes, finish what was handed in and close the database."""
        async with AsyncExitStack() as ending:  # each is done whatever becomes of the others, the last one first
            ending.push_async_callback(self.store.close)
            ending.push_async_callback(self.changes.close)
            ending.push_async_callback(self._endings.close)
            if self._holds is not None:
                ending.push_async_callback(self._holds.stop)

    def context(self, actor: str = EMBEDDER) -> Context:
        """What an operation is handed that this actor asks for."""
        return Context(actor, self.clock, self._configured)

    def _configured(self) -> Config | None:
        return self.config

    async def perform(self, effect: Effect[T]) -> T:
        """Carry out an effect on this event loop. Raises the error that it gives."""
        if isinstance(effect, Query):
            return await self.store.read(effect)
        if isinstance(effect, Generator):
            return await self._driven(effect)
        return raised(await (self.store.look(effect.look) if isinstance(effect, Look) else self.store.write(effect)))

    async def call(self, verb: Verb[..., Any], ctx: Context, /, **params: Any) -> Any:
        """The record of what came of a verb. Raises what it raises."""
        return verb.out.made(await self.perform(verb.of(ctx, params)), self.clock())

    async def _driven(self, procedure: Procedure[T]) -> T:
        answer: Any = None
        mark = self.changes.mark()
        try:
            while True:
                request = procedure.send(answer)
                if isinstance(request, Write):  # a chain of tests, since matching patterns costs every request more
                    answer = await self.store.write(request.step)
                elif isinstance(request, Read):
                    mark = self.changes.mark()
                    answer = await self.store.read(request.query)
                elif isinstance(request, Tell):
                    answer = self.clock()
                else:
                    answer = await self.changes.wait(request.seconds, mark)
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            procedure.close()

    async def send(
        self,
        key: str,
        text: str | None = None,
        *,
        request: dict[str, Any] | None = None,
        runner: str | None = None,
        actor: str = EMBEDDER,
        idempotency_key: str | None = None,
        token: str = "",
        if_idle: bool = False,
        cap: int | None = None,
        mode: Mode | str | None = None,
        overflow: Overflow | str | None = None,
        waiting_run: int | None = None,
        bound_to: BoundTo | None = None,
        bound_owner: int | None = None,
        anonymous: bool = False,
    ) -> Message:
        """Accept a message: once this returns, it is committed and survives everything.

        Exactly one of ``text`` and ``request`` (a chat request with a history of its own). ``cap``, ``mode`` and
        ``overflow`` are those of the lane's policy unless given. ``waiting_run``: the run that will wait for it.
        Raises InvalidKey, Unfit, QueueFull, LaneBusy (``if_idle``, mode ``reject``), IdempotencyConflict, WaitCycle.
        """
        return await self.perform(
            operations.send(
                self.context(actor),
                key,
                text,
                request=request,
                runner=runner,
                idempotency_key=idempotency_key,
                token=token,
                if_idle=if_idle,
                cap=cap,
                mode=mode,
                overflow=overflow,
                waiting_run=waiting_run,
                bound_to=bound_to,
                bound_owner=bound_owner,
                anonymous=anonymous,
            )
        )

    async def wait(self, message_id: int, *, timeout: float | None = None) -> Message:
        """The message once it has ended, or as it stands after ``timeout`` seconds.

        A run that waits is not stalled. Raises NotFound, and WaitCycle where the message waits for that run.
        """
        timeout = incoming.patience_s(timeout)
        return await self.when_ended(await self.message(message_id), timeout=timeout)

    async def when_ended(self, message: Message, *, timeout: float | None = None) -> Message:
        """As ``wait``, for a message as it was a moment ago."""
        timeout, run = incoming.patience_s(timeout), current_run(self.store.name)
        if run is None or message.ended_at is not None:
            return await self._ended(message, timeout)
        await self.perform(operations.begin_wait(run, message.id))
        try:
            return await self._ended(message, timeout)
        finally:
            await asyncio.shield(self.perform(operations.end_wait(run, message.id)))

    async def _ended(self, message: Message, timeout: float | None) -> Message:
        if message.ended_at is not None:
            return message
        return await self._endings.wait(message.id, timeout) or await self.message(message.id)

    async def ask(self, key: str, text: str, *, timeout: float | None = None, **how: Any) -> Message:
        """Send a message and wait for its end; ``how`` as ``send`` takes it.

        From within a run, a wait that would never end is refused before anything is stored (WaitCycle).
        """
        message = await self.send(key, text, waiting_run=current_run(self.store.name), **how)
        return await self.when_ended(message, timeout=timeout)

    @asynccontextmanager
    async def hold(
        self,
        key: str,
        *,
        actor: str = EMBEDDER,
        run_timeout: float | None = None,
        stall_timeout: float | None = None,
        if_idle: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[RunContext]:
        """Hold a lane for a block of one's own code, in the same queue as messages.

        The lane is released when the block is left, by whatever way, and when its process dies. The block is
        cancelled when it is aborted, runs out of time, or loses its lane; then HoldEnded is raised, with the cause.
        ``run_timeout`` and ``stall_timeout`` are seconds (None: of the policy; ``math.inf``: off); call
        ``run.progress`` within a long block. ``timeout``: how many seconds to wait for one's turn (TimeoutError).
        ``if_idle``: do not wait at all (LaneBusy). Hand ``run.epoch`` to whatever must refuse a superseded holder.
        Raises InvalidKey, Unfit, QueueFull, LaneBusy, HoldEnded, WaitCycle (from within a run that the lane waits for).
        """
        holds = await self._started_holds()
        async with holds.hold(
            key,
            actor=actor,
            run_timeout=run_timeout,
            stall_timeout=stall_timeout,
            if_idle=if_idle,
            timeout=timeout,
        ) as run:
            yield run

    async def _started_holds(self) -> Holds:
        async with self._starting_holds:
            if self._holds is None:
                holds = Holds(self.store, self.clock, self.config or from_data({}), _Queue(self))
                await holds.start()
                self._holds = holds
            return self._holds

    async def message(self, message_id: int) -> Message:
        """One message as it stands. Raises NotFound."""
        return await self.perform(operations.message(message_id))

    async def messages(
        self, key: str, *, states: Sequence[MessageState] = (), limit: int | None = None
    ) -> list[Message]:
        """The messages of a lane, newest first. Raises NotFound."""
        return await self.perform(operations.messages(key, states=states, limit=limit))

    async def retry(self, message_id: int, *, actor: str = EMBEDDER) -> Message:
        """Accept a dead letter once more; returns the new message. Raises NotFound, NotAllowed, QueueFull, LaneBusy."""
        return await self.perform(operations.retry(self.context(actor), message_id))

    async def retry_last(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Message:
        """Retry the newest dead letter of a lane. Raises NotFound, Changed, NotAllowed, QueueFull, LaneBusy."""
        return await self.perform(operations.retry_last(self.context(actor), key, epoch=epoch))

    async def drop(self, message_id: int, *, actor: str = EMBEDDER) -> Message:
        """End a waiting message as ``dropped``. Raises NotFound, NotAllowed."""
        return await self.perform(operations.drop(message_id, actor=actor))

    async def prune_dead_letters(self, older_than_ms: int, *, actor: str = EMBEDDER) -> int:
        """Delete the dead letters that failed so long ago; returns how many went."""
        return await self.perform(operations.prune_dead_letters(older_than_ms, actor=actor))

    async def client_gone(self, message_id: int) -> bool:
        """End a bound message whose connection is gone."""
        return await self.perform(operations.bound_gone(message_id, actor="client", why="its client left"))

    async def lanes(
        self,
        chosen: LaneFilter | None = None,
        *,
        order: LaneOrder = operations.BY_ATTENTION,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Lane]:
        """Lanes in some order; by attention, unfinished ones first, the longest wait at the top."""
        return await self.perform(operations.lanes(chosen or LaneFilter(), order=order, limit=limit, offset=offset))

    async def lanes_total(self, chosen: LaneFilter | None = None) -> int:
        """How many lanes a filter chooses."""
        return await self.perform(operations.lanes_total(chosen or LaneFilter()))

    async def counts(self) -> records.Counts:
        """How much there is of everything."""
        return await self.perform(operations.counts())

    async def lane(self, key: str) -> Lane:
        """One lane. Raises NotFound."""
        return await self.perform(operations.lane(key))

    async def detail(self, key: str) -> records.LaneDetail:
        """One lane with its messages, events and why-paragraph. Raises NotFound."""
        return await self.perform(operations.detail(key))

    async def why(self, key: str) -> str:
        """What blocks this lane, the evidence, and what happens next. Raises NotFound."""
        return await self.perform(operations.why(key))

    async def status(self) -> records.Status:
        """Gateways, counts, cooldowns."""
        return await self.perform(operations.status(self.store.name))

    async def drain(
        self, owner_id: int | None = None, *, by: str = EMBEDDER, until: int | None = None
    ) -> list[records.OwnerDetail]:
        """Let one gateway of this database, or all, claim nothing more; see ``lanes.draining``. Raises NotFound."""
        return await self.perform(operations.drain(owner_id, by=by, until=until))

    async def drain_rehearsal(self, owner_id: int | None = None) -> list[records.Cut]:
        """What such a drain would cut, and what would become of it. Raises NotFound."""
        return await self.perform(operations.drain_rehearsal(owner_id))

    async def drain_wait(self, owner_ids: Sequence[int], *, timeout: float | None = None) -> list[records.OwnerDetail]:
        """Wait until none of these owners holds a lane, at most ``timeout`` seconds; as they are then."""
        return await self.perform(operations.drain_wait(owner_ids, timeout=timeout))

    async def events(
        self,
        *,
        key: str | None = None,
        after: int = 0,
        since: int | None = None,
        type: str | None = None,  # noqa: A002 - the journal's own word
        limit: int | None = None,
        newest: bool = False,
        chosen: LaneFilter | None = None,
    ) -> list[records.Event]:
        """The journal behind event ``after``, oldest first; ``newest`` takes the last ``limit``.

        ``since`` is wall time in milliseconds; ``chosen`` is a filter of events. Raises NotFound.
        """
        return await self.perform(
            operations.events(key=key, after=after, since=since, type=type, limit=limit, newest=newest, chosen=chosen)
        )

    async def abort(
        self,
        key: str,
        *,
        actor: str = EMBEDDER,
        reason: str | None = None,
        cause: Cause = Cause.ABORTED,
        scope: Scope = Scope.RUN,
        epoch: int | None = None,
        grace_ms: int | None = None,
        force: bool = False,
        wait: bool = True,
        timeout: float | None = None,
    ) -> records.AbortResult:
        """Abort what a lane runs (``scope`` run, both) and what waits in it (queue, both).

        ``epoch``: only if the lane still stands at it. ``grace_ms``: other than the run's own; ``force``: none.
        ``wait`` False, or ``timeout`` seconds passed: the outcome is ``pending`` and the request stands.
        Raises NotFound, Unfit.
        """
        patience_s = incoming.patience_s(timeout)
        return await self.perform(
            control.abort(
                self.context(actor),
                key,
                scope=scope,
                reason=reason,
                grace=grace_ms,
                force=force,
                epoch=epoch,
                wait=wait,
                timeout=None if patience_s is None else round(patience_s * 1000),
                cause=cause,
            )
        )

    async def pause(
        self,
        key: str,
        *,
        actor: str = EMBEDDER,
        reason: str | None = None,
        until: int | None = None,
        epoch: int | None = None,
    ) -> Lane:
        """Let a lane claim nothing until ``until`` (wall time, ms) or until resumed. Raises NotFound, Changed."""
        return await self._acted(control.pause, actor, key=key, until=until, reason=reason, epoch=epoch)

    async def resume(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """Let a lane claim again. Raises NotFound, Changed."""
        return await self._acted(control.resume, actor, key=key, epoch=epoch)

    async def ack(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """ "Seen": errored or aborted back to idle. Raises NotFound, Changed, NotAllowed on a running lane."""
        return await self._acted(control.ack, actor, key=key, epoch=epoch)

    async def _acted(self, verb: Verb[..., Any], actor: str, **params: Any) -> Lane:
        acted: records.Acted = await self.call(verb, self.context(actor), **params)
        return acted.lane


class _Queue:
    """The desk as a hold sees it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def take_place(self, key: str, *, runner: str, owner: int, actor: str, if_idle: bool) -> Message:
        return await self._desk.send(
            key,
            runner=runner,
            actor=actor,
            if_idle=if_idle,
            waiting_run=current_run(self._desk.store.name),
            bound_to=BoundTo.WAITER,
            bound_owner=owner,
        )

    async def ended(self, message_id: int) -> Message:
        return await self._desk._ended(await self._desk.message(message_id), None)

    async def give_up(self, message_id: int) -> None:
        await self._desk.perform(operations.bound_gone(message_id, actor=EMBEDDER, why="its caller gave it up"))
