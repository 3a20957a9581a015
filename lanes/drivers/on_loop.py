"""The driver of an event loop."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, TypeVar, cast

from lanes.base.procedure import Blocking, Effect, InThread, Procedure, QueryBlock, Read, Write, raised
from lanes.context import Context
from lanes.host.changes import Changes
from lanes.verbs.verb import Verb
from lanes_storage.clock import Clock
from lanes_storage.interface import AsyncStore, Query, Store

T = TypeVar("T")


class LoopDriver:
    """Runs verbs on the event loop in which it was created."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.changes = Changes(store)
        self._lengthy = asyncio.Lock()

    async def perform(self, effect: Effect[T]) -> T:
        """Run an effect on this event loop. Raises the error that it returns."""
        if isinstance(effect, Query):
            return cast("T", raised(await self.store.read(effect)))
        if isinstance(effect, Generator):
            return await self._driven(effect)
        if isinstance(effect, Blocking):
            return await self._in_background(effect.work)
        return raised(
            await (self.store.look(effect.look) if isinstance(effect, QueryBlock) else self.store.write(effect))
        )

    async def call(self, verb: Verb[..., Any], ctx: Context, /, **params: Any) -> Any:
        """Run a verb; returns its record. Raises its errors."""
        return verb.result.made(await self.perform(verb.of(ctx, params)), self.clock())

    async def _in_background(self, work: Callable[[Store], T]) -> T:
        """``work`` may read the whole database: it runs in a thread, one at a time, since threads are few."""
        await self._lengthy.acquire()
        running = asyncio.ensure_future(asyncio.to_thread(lambda: _in_thread(self.store, work)))
        running.add_done_callback(lambda _: self._lengthy.release())  # a cancelled caller does not end the thread
        return await asyncio.shield(running)

    async def _driven(self, procedure: Procedure[T]) -> T:
        answer: Any = None
        mark = self.changes.mark()
        try:
            while True:
                request = procedure.send(answer)
                if isinstance(request, Write):  # `match` would be slower, for every request
                    answer = await self.store.write(request.step)
                elif isinstance(request, Read):
                    mark = self.changes.mark()
                    answer = await self.store.read(request.query)
                else:
                    answer = await self.changes.wait(request.seconds, mark)
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            procedure.close()


def _in_thread(store: AsyncStore, work: Callable[[Store], T]) -> T:
    with closing(InThread(store)) as face:
        return work(face)
