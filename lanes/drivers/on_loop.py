"""The driver of an event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar, cast

from lanes.base.errors import LanesError, Unfit
from lanes.base.procedure import Blocking, Effect, InThread, Procedure, QueryBlock, Read, Write, raised
from lanes.context import Context
from lanes.drivers.together import PAGE, EffectSet
from lanes.host.changes import Changes
from lanes.verbs.verb import Verb
from lanes_storage.clock import Clock
from lanes_storage.interface import AsyncStore, Query, Store
from lanes_storage.threads import in_thread

T = TypeVar("T")

#: Between two checks of all waiting calls, the pause is this many times as long as one check took.
REST_SHARE = 3


class LoopDriver:
    """Runs verbs on the event loop in which it was created."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.changes = Changes(store)
        self._loop = asyncio.get_running_loop()
        self._lengthy = asyncio.Lock()

    async def check_loop(self) -> None:
        """Raise Unfit in another event loop than its own, where a wait would never end."""
        if asyncio.get_running_loop() is not self._loop:
            await self.store.version()  # one that is closed, or belongs to the parent process, says so
            raise Unfit(
                "it belongs to another event loop: open the database in this one, or call it in that one "
                "(asyncio.run_coroutine_threadsafe)"
            )

    async def perform(self, effect: Effect[T]) -> T:
        """Run an effect on this event loop. Raises the error that it returns; as ``check_loop``."""
        await self.check_loop()
        if isinstance(effect, Query):
            return cast("T", raised(await self.store.read(effect)))
        if isinstance(effect, Generator):
            return await self._driven(effect)
        if isinstance(effect, Blocking):
            return cast("T", await self._in_background(effect.work))
        given: Any = self.store.look(effect.look) if isinstance(effect, QueryBlock) else self.store.write(effect)
        return cast("T", raised(await given))

    async def call(self, verb: Verb[..., Any], ctx: Context, /, **params: Any) -> Any:
        """Run a verb; returns its record. Raises its errors."""
        return await self.perform(verb.of(ctx, params))

    async def call_each(
        self, verb: Verb[..., Any], ctx: Context, params: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[int, Any | LanesError], None]:
        """Call it once for each of ``params``, in pages of one transaction each; all wait at the same time.

        Yields the place and the record of each as it ends; an expected error is one. A caller that stops asking for
        more stops it between two pages.
        """
        waiting = verb.waiting
        pending: dict[int, Any] = {}
        for first in range(0, len(params), PAGE):
            page = params[first : first + PAGE]
            asks = [bool(waiting and waiting.waits(each)) for each in page]
            given = [
                {**each, **(waiting.first if asked and waiting else {})} for asked, each in zip(asks, page, strict=True)
            ]
            async for place, came in self._together(verb, ctx, given):
                if not asks[place] or waiting is None or isinstance(came, LanesError) or waiting.ended(came):
                    yield first + place, came
                else:
                    pending[first + place] = came
        if waiting is None or not pending:
            return
        places, began = list(pending), self.clock().mono
        again = [{**waiting.again(params[place], pending[place])} for place in places]
        async for number, last in self._together(verb, ctx, again):
            place = places[number]
            waited_s = (self.clock().mono - began) / 1000
            yield place, last if isinstance(last, LanesError) else waiting.told(pending[place], last, waited_s)

    async def _together(
        self, verb: Verb[..., Any], ctx: Context, params: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[int, Any | LanesError], None]:
        under_way: EffectSet[Any] = EffectSet()
        try:
            for first in range(0, len(params), PAGE):
                under_way.begin([verb.of(ctx, each) for each in params[first : first + PAGE]])
                await asyncio.sleep(0)  # thousands take a moment, in which others have their turn
            while True:
                mark, began = self.changes.mark(), self.clock().mono
                while (asked := under_way.next_round()) is not None:
                    if asked.step is not None:
                        under_way.answer(asked.places, await self.store.write(asked.step))
                    else:
                        under_way.answer(asked.places, await self.store.look(asked.look))
                    for ended in under_way.take():
                        yield ended
                for ended in under_way.take():
                    yield ended
                if (seconds := under_way.waits_s) is None:
                    return
                # many that wait are not asked after all the time, however much is committed meanwhile
                await asyncio.sleep(REST_SHARE * (self.clock().mono - began) / 1000)
                await self.changes.wait(seconds, mark)
                under_way.waited()
        finally:
            under_way.close()

    async def _in_background(self, work: Callable[[Store], T]) -> T:
        """``work`` may read the whole database: it runs in a thread, one at a time, since threads are few."""
        await self._lengthy.acquire()
        running = asyncio.ensure_future(in_thread(lambda: _in_thread(self.store, work)))
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
