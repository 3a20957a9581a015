"""Sending messages, and waiting for their end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from lanes.base import arguments
from lanes.config import from_data
from lanes.desk.base import EMBEDDER, DeskBase
from lanes.records import Message
from lanes.runners.base import RunContext
from lanes.runners.current import current_run
from lanes.verbs import sending
from lanes_storage.law import BoundTo, Mode, Overflow

if TYPE_CHECKING:
    from lanes.engine.holds import Holds


class DeskSending(DeskBase):
    """Send a message, wait for its end, hold a lane for a block of code."""

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
        fresh: bool = False,
        cap: int | None = None,
        mode: Mode | str | None = None,
        overflow: Overflow | str | None = None,
        waiting_run: int | None = None,
        from_run: int | None = None,
        bound_to: BoundTo | None = None,
        bound_owner: int | None = None,
        anonymous: bool = False,
        sender: str | None = None,
    ) -> Message:
        """Accept a message: once this returns, it is committed and survives any crash.

        Exactly one of ``text`` and ``request`` (a chat request with its own history). ``cap``, ``mode`` and
        ``overflow`` are those of the lane's policy unless given. ``fresh``: a new conversation begins when the message
        first runs; the earlier one stays readable. ``waiting_run``: the run that will wait for it;
        ``from_run``: the run that sends it (by default the run that the calling code belongs to).
        ``sender``: the person who wrote it, where ``actor`` is a program; only a message with the same two answers a
        question of its run.
        Raises InvalidKey, Unfit, QueueFull, LaneBusy (``if_idle``, mode ``reject``), IdempotencyConflict, WaitCycle.
        """
        effect = sending.send(
            self.context(actor),
            key,
            text,
            request=request,
            runner=runner,
            idempotency_key=idempotency_key,
            token=token,
            if_idle=if_idle,
            fresh=fresh,
            cap=cap,
            mode=mode,
            overflow=overflow,
            waiting_run=waiting_run,
            from_run=current_run(self.store.name) if from_run is None else from_run,
            bound_to=bound_to,
            bound_owner=bound_owner,
            anonymous=anonymous,
            sender=sender,
        )
        return await self.perform(effect)

    async def answer(self, key: str, text: str, *, question: str | None = None, actor: str = EMBEDDER) -> Message:
        """Answer the question that the run of a lane asks; ``question``: only the one with this id.

        Raises NotFound; NotAllowed if it asks nothing, or another question, or this is no answer to it.
        """
        return await self.perform(sending.answer(self.context(actor), key, text, question=question))

    async def steer(self, key: str, text: str, *, actor: str = EMBEDDER) -> Message:
        """Give a text to the run of a lane, if its runner takes it (``run.inbox()``); else the text waits in the queue.

        Raises NotFound, QueueFull.
        """
        return await self.perform(sending.steer(self.context(actor), key, text))

    async def wait(self, message: int | Message, *, timeout: float | None = None) -> Message:
        """The message once it has ended, or after ``timeout`` seconds.

        ``message``: its id, or the message as it was just accepted or read, which saves a read.
        A run that waits does not count as stalled. Raises NotFound, Unfit; WaitCycle if the message waits for that run.
        """
        timeout, run = arguments.patience_s(timeout), current_run(self.store.name)
        current = message if isinstance(message, Message) else await self.message(message)
        if run is None or current.ended_at is not None:
            return await self._ended(current, timeout)
        await self.perform(sending.begin_wait(self.context(), run, current.id))
        try:
            return await self._ended(current, timeout)
        finally:
            await asyncio.shield(self.perform(sending.end_wait(run, current.id)))

    async def _ended(self, message: Message, timeout: float | None) -> Message:
        if message.ended_at is not None:
            return message
        return await self._endings.wait(message.id, timeout) or await self.message(message.id)

    async def ask(
        self,
        key: str,
        text: str | None = None,
        *,
        timeout: float | None = None,
        request: dict[str, Any] | None = None,
        runner: str | None = None,
        actor: str = EMBEDDER,
        idempotency_key: str | None = None,
        token: str = "",
        if_idle: bool = False,
        fresh: bool = False,
        cap: int | None = None,
        mode: Mode | str | None = None,
        overflow: Overflow | str | None = None,
        sender: str | None = None,
    ) -> Message:
        """Send a message and wait for its end, at most ``timeout`` seconds; the rest is as for ``send``.

        From within a run, a wait that would never end is refused before anything is stored (WaitCycle).
        """
        message = await self.send(
            key,
            text,
            request=request,
            runner=runner,
            actor=actor,
            idempotency_key=idempotency_key,
            token=token,
            if_idle=if_idle,
            fresh=fresh,
            cap=cap,
            mode=mode,
            overflow=overflow,
            waiting_run=current_run(self.store.name),
            sender=sender,
        )
        return await self.wait(message, timeout=timeout)

    async def message(self, message_id: int) -> Message:
        """One message. Raises NotFound."""
        return await self.perform(sending.message(self.context(), message_id))

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
        ``run.progress`` within a long block. ``timeout``: how many seconds to wait for the lane (TimeoutError).
        ``if_idle``: do not wait at all (LaneBusy). Pass ``run.epoch`` to systems that must refuse a superseded holder.
        Raises InvalidKey, Unfit, QueueFull, LaneBusy, HoldEnded, WaitCycle (from within a run that the lane waits for),
        Draining (other processes declared this one dead while it was suspended, and it has not registered again yet:
        try again).
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

    async def register(self) -> Callable[[], int]:
        """Register this process as an owner that may hold lanes, with heartbeats, until the desk is closed.

        The first hold does that as well. Returns a function that returns the id of the owner, which changes if other
        processes have declared this one dead.
        """
        holds = await self._started_holds()
        return lambda: holds.owner_id

    async def _started_holds(self) -> "Holds":
        from lanes.engine.holds import Holds  # the whole engine, which a desk without holds does not need

        await self.check_loop()
        async with self._starting_holds:
            if self._holds is None:
                holds = Holds(self.store, self.clock, self.config or from_data({}), _Queue(self))
                await holds.start()
                self._holds = holds
            return self._holds


class _Queue:
    """The part of the desk that holds use."""

    def __init__(self, desk: DeskSending) -> None:
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
        await self._desk.perform(sending.end_bound(self._desk.context(), message_id, why="its caller gave it up"))
