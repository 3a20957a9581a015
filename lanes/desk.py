"""The desk: what an operator or an embedding program can do with lanes, on asyncio.

    async with lanes.connect("sqlite:///lanes.db") as desk:
        message = await desk.send("agent:main:telegram:42", "hello")
        outcome = await desk.abort("agent:main:telegram:42", actor="alice", reason="stuck")

Most methods run a verb of ``lanes.verbs``; ``tests/verbs/test_faces.py`` compares the two."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from lanes import records
from lanes.base import arguments, durations
from lanes.config import Config, from_data
from lanes.context import Context
from lanes.drivers.on_loop import LoopDriver
from lanes.engine.holds import Holds
from lanes.engine.runs.current import current_run
from lanes.records import Lane, Message
from lanes.runners.base import RunContext
from lanes.verbs import control, messages, queries, sending, system
from lanes.verbs.kinds import timed
from lanes.verbs.verb import Verb
from lanes.waiting import Endings
from lanes_storage import open_async_store, reads
from lanes_storage.clock import Clock, system_clock
from lanes_storage.interface import AsyncStore
from lanes_storage.law import BoundTo, Cause, MessageState, Mode, Overflow, Scope
from lanes_storage.records import LaneFilter, LaneOrder

#: The actor, if an embedding program names none.
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

    ``config`` sets policies and the limits of holds; without it no file is looked for. Creates the database, and
    upgrades an older one, unless ``create`` is False: programs of the older version refuse the file from then on.
    Raises Unfit; ``StorageError``: missing, older, newer, damaged, locked, not writable.
    """
    arguments.instance(config, Config, "config", "lanes.config.load(path)")
    desk = Desk(await open_async_store(url, create=create, synchronous=synchronous), clock, config)
    try:
        yield desk
    finally:
        await desk.close()


class Desk(LoopDriver):
    """A database and its operations. Belongs to the event loop in which it was created."""

    def __init__(self, store: AsyncStore, clock: Clock = system_clock, config: Config | None = None) -> None:
        super().__init__(store, clock)
        self.config = config
        self._endings = Endings(store, self.changes)
        self._holds: Holds | None = None
        self._starting_holds = asyncio.Lock()

    async def close(self) -> None:
        """Cancel the holds, finish pending writes and close the database."""
        async with AsyncExitStack() as ending:  # each runs even if another fails, the last one first
            ending.push_async_callback(self.store.close)
            ending.push_async_callback(self.changes.close)
            ending.push_async_callback(self._endings.close)
            if self._holds is not None:
                ending.push_async_callback(self._holds.stop)

    def context(self, actor: str = EMBEDDER) -> Context:
        """The context of an operation of this actor."""
        return Context(actor, self.clock, self._configured, self.store.name)

    def _configured(self) -> Config | None:
        return self.config

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
        """Accept a message: once this returns, it is committed and survives any crash.

        Exactly one of ``text`` and ``request`` (a chat request with its own history). ``cap``, ``mode`` and
        ``overflow`` are those of the lane's policy unless given. ``waiting_run``: the run that will wait for it.
        Raises InvalidKey, Unfit, QueueFull, LaneBusy (``if_idle``, mode ``reject``), IdempotencyConflict, WaitCycle.
        """
        sent: Message = await self.call(
            sending.send,
            self.context(actor),
            key=key,
            text=text,
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
        return sent

    async def wait(self, message_id: int, *, timeout: float | None = None) -> Message:
        """The message once it has ended, or after ``timeout`` seconds.

        A run that waits does not count as stalled. Raises NotFound; WaitCycle if the message waits for that run.
        """
        timeout = arguments.patience_s(timeout)
        return await self.when_ended(await self.message(message_id), timeout=timeout)

    async def when_ended(self, message: Message, *, timeout: float | None = None) -> Message:
        """Like ``wait``, for a message that was just read."""
        timeout, run = arguments.patience_s(timeout), current_run(self.store.name)
        if run is None or message.ended_at is not None:
            return await self._ended(message, timeout)
        await self.perform(sending.begin_wait(self.context(), run, message.id))
        try:
            return await self._ended(message, timeout)
        finally:
            await asyncio.shield(self.perform(sending.end_wait(run, message.id)))

    async def _ended(self, message: Message, timeout: float | None) -> Message:
        if message.ended_at is not None:
            return message
        return await self._endings.wait(message.id, timeout) or await self.message(message.id)

    async def ask(self, key: str, text: str, *, timeout: float | None = None, **how: Any) -> Message:
        """Send a message and wait for its end; ``how``: further parameters of ``send``.

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
        """Hold a lane for a block of code, in the same queue as messages.

        The lane is released when the block is left in any way, and when its process dies. The block is
        cancelled when it is aborted, runs out of time, or loses its lane; then HoldEnded is raised, with the cause.
        ``run_timeout`` and ``stall_timeout`` are seconds (None: of the policy; ``math.inf``: off); call
        ``run.progress`` within a long block. ``timeout``: how many seconds to wait for one's turn (TimeoutError).
        ``if_idle``: do not wait at all (LaneBusy). Pass ``run.epoch`` to systems that must refuse a superseded holder.
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
        """One message. Raises NotFound."""
        return Message.of(await self.perform(sending.message(self.context(), message_id)))

    async def messages(
        self, key: str, *, states: Sequence[MessageState] = (), limit: int | None = None
    ) -> list[Message]:
        """The messages of a lane, newest first. Raises NotFound."""
        found: list[Message] = await self._ask(messages.messages, key=key, state=tuple(states), limit=limit)
        return found

    async def retry(self, message_id: int, *, actor: str = EMBEDDER) -> Message:
        """Retry a dead letter; returns the new message. Raises NotFound, NotAllowed, QueueFull, LaneBusy."""
        return await self._message(messages.retry, actor, id=message_id)

    async def retry_last(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Message:
        """Retry the newest dead letter of a lane. Raises NotFound, Changed, NotAllowed, QueueFull, LaneBusy."""
        return await self._message(messages.retry_last, actor, key=key, epoch=epoch)

    async def drop(self, message_id: int, *, actor: str = EMBEDDER) -> Message:
        """End a waiting message as ``dropped``. Raises NotFound, NotAllowed."""
        return await self._message(messages.drop, actor, id=message_id)

    async def prune_dead_letters(self, older_than_ms: int, *, actor: str = EMBEDDER) -> int:
        """Delete the dead letters that failed at least this long ago; returns how many."""
        return await self.perform(messages.prune_dead_letters(self.context(actor), older_than=older_than_ms))

    async def client_gone(self, message_id: int) -> bool:
        """End a message that is bound to a connection that is closed."""
        return await self.perform(sending.bound_gone(self.context("client"), message_id, why="its client left"))

    async def lanes(
        self,
        chosen: LaneFilter | None = None,
        *,
        order: LaneOrder = queries.BY_ATTENTION,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Lane]:
        """Lanes in some order; by attention, unfinished ones first, the longest wait at the top. Raises Unfit."""
        arguments.instance(chosen, LaneFilter, "chosen", "LaneFilter(...)")
        queries.list_.checked({"limit": limit, "cursor": offset})
        return list(await self.perform(queries.lanes_of(self.context(), chosen or LaneFilter(), order, limit, offset)))

    async def lanes_total(self, chosen: LaneFilter | None = None) -> int:
        """How many lanes a filter chooses. Raises Unfit."""
        arguments.instance(chosen, LaneFilter, "chosen", "LaneFilter(...)")
        return await self.perform(reads.lanes_total(timed(chosen or LaneFilter(), self.clock())))

    async def counts(self) -> records.Counts:
        """The counts of lanes and messages."""
        return records.Counts.of(await self.perform(reads.counts(self.clock().wall)), records.Liveness(self.clock()))

    async def lane(self, key: str) -> Lane:
        """One lane. Raises NotFound."""
        return Lane.of(await self.perform(queries.lane_of(key)), records.Liveness(self.clock()))

    async def detail(self, key: str) -> records.LaneDetail:
        """One lane with its messages, events and why-paragraph. Raises NotFound."""
        return await self.perform(queries.show(self.context(), key))

    async def why(self, key: str) -> str:
        """What blocks this lane, the evidence, and what happens next. Raises NotFound."""
        return (await self.perform(queries.why(self.context(), key))).why

    async def status(self) -> records.Status:
        """Gateways, counts, cooldowns."""
        return await self.perform(system.status(self.context()))

    async def drain(
        self, owner_id: int | None = None, *, by: str = EMBEDDER, until: int | None = None
    ) -> list[records.OwnerDetail]:
        """Stop one gateway, or all, from claiming, and cut at ``until`` (wall time, ms) the runs that are left.

        Raises NotFound.
        """
        drained: list[records.OwnerDetail] = await self._ask(system.drain, by, gateway=owner_id, until=until)
        return drained

    async def drain_rehearsal(self, owner_id: int | None = None) -> list[records.Cut]:
        """The runs that such a drain would cut, and the result for their messages. Raises NotFound."""
        return await self.perform(system.drain_rehearsal(self.context(), gateway=owner_id))

    async def drain_wait(self, owner_ids: Sequence[int], *, timeout: float | None = None) -> list[records.OwnerDetail]:
        """Wait until none of these owners holds a lane, at most ``timeout`` seconds; returns the owners."""
        wait = arguments.patience_ms(timeout, none=durations.LONGEST_MS)
        ended: list[records.OwnerDetail] = await self._ask(system.gateways, id=tuple(owner_ids), wait=wait)
        return ended

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
        """The journal after event ``after``, oldest first; ``newest`` takes the last ``limit``.

        ``since`` is wall time in milliseconds; ``chosen`` is a filter of events. Raises NotFound.
        """
        how = {"filter_": chosen, "after": after, "since_at": since, "limit": limit, "newest": newest}
        found: list[records.Event] = await self._ask(system.events, key=key, type=type, **how)
        return found

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
        """Abort the run of a lane (``scope`` run, both) and its waiting messages (queue, both).

        ``epoch``: only if the lane is still at it. ``grace_ms``: instead of the grace of the run; ``force``: no grace.
        ``wait`` False, or after ``timeout`` seconds: the outcome is ``pending`` and the request remains.
        Raises NotFound, Unfit.
        """
        how = {"scope": scope, "reason": reason, "grace": grace_ms, "force": force, "epoch": epoch, "cause": cause}
        patience = arguments.patience_ms(timeout)
        ended: records.AbortResult = await self._ask(control.abort, actor, key=key, wait=wait, timeout=patience, **how)
        return ended

    async def pause(
        self,
        key: str,
        *,
        actor: str = EMBEDDER,
        reason: str | None = None,
        until: int | None = None,
        epoch: int | None = None,
    ) -> Lane:
        """Stop a lane from claiming until ``until`` (a wall time to come, ms) or resumed. Raises NotFound, Changed."""
        return await self._acted(control.pause, actor, key=key, until=until, reason=reason, epoch=epoch)

    async def resume(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """Let a lane claim again. Raises NotFound, Changed."""
        return await self._acted(control.resume, actor, key=key, epoch=epoch)

    async def pause_all(
        self, match: str = "*", *, actor: str = EMBEDDER, reason: str | None = None, until: int | None = None
    ) -> records.GlobActed:
        """Let every lane whose key fits a glob claim nothing, lanes to come included, until ``until`` or resumed."""
        acted: records.GlobActed = await self._ask(control.pause_all, actor, match=match, until=until, reason=reason)
        return acted

    async def resume_all(self, match: str = "*", *, actor: str = EMBEDDER) -> records.GlobActed:
        """End the pause of a glob. Lanes that are paused themselves, or by another glob, stay paused."""
        acted: records.GlobActed = await self._ask(control.resume_all, actor, match=match)
        return acted

    async def ack(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """Acknowledge: errored or aborted back to idle. Raises NotFound, Changed, NotAllowed on a running lane."""
        return await self._acted(control.ack, actor, key=key, epoch=epoch)

    async def _ask(self, verb: Verb[..., Any], actor: str = EMBEDDER, /, **params: Any) -> Any:
        return await self.call(verb, self.context(actor), **params)

    async def _acted(self, verb: Verb[..., Any], actor: str, /, **params: Any) -> Lane:
        acted: records.Acted = await self._ask(verb, actor, **params)
        return acted.lane

    async def _message(self, verb: Verb[..., Any], actor: str, /, **params: Any) -> Message:
        message: Message = await self._ask(verb, actor, **params)
        return message


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
        await self._desk.perform(sending.bound_gone(self._desk.context(), message_id, why="its caller gave it up"))
