"""The driver for an asyncio event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, TypeVar, cast

from lanes.base.errors import LanesError, Unfit
from lanes.base.procedure import PAGE, Blocking, Effect, EffectSet, InThread, QueryBlock, Round, raised
from lanes.context import Context
from lanes.host.changes import Changes
from lanes.verbs.verb import Verb
from lanes_storage.clock import Clock
from lanes_storage.interface import AsyncStore, Query, Store
from lanes_storage.threads import in_thread

T = TypeVar("T")

#: The pause between two checks of all waiting calls, as a multiple of the time that one check took.
REST_SHARE = 3


def running_loop() -> asyncio.AbstractEventLoop:
    """The running asyncio event loop. Raises Unfit if there is none, as under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise Unfit("lanes needs an asyncio event loop, and none runs here (trio has another kind)") from error


class LoopDriver:
    """Runs verbs on the event loop in which it was created."""

    def __init__(self, store: AsyncStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.changes = Changes(store)
        self._loop = running_loop()
        self._lengthy = asyncio.Lock()

    async def check_loop(self) -> None:
        """Raise Unfit in another event loop than its own, where a wait would never end."""
        if running_loop() is not self._loop:
            await self.store.version()  # raises the better error for a store that is closed, or the parent process's
            raise Unfit(
                "it belongs to another event loop: open the database in this one, or call it in that one "
                "(asyncio.run_coroutine_threadsafe)"
            )

    async def perform(self, effect: Effect[T]) -> T:
        """Run an effect on this event loop. Raises the error that it returns, and Unfit as ``check_loop``."""
        await self.check_loop()
        if isinstance(effect, Query):
            return cast("T", raised(await self.store.read(effect)))
        if isinstance(effect, Blocking):
            return cast("T", await self._in_background(effect.work))
        result: Any
        if isinstance(effect, Generator):
            ((_, result),) = [ended async for ended in self._each([effect])]
        else:
            result = await (
                self.store.look(effect.look) if isinstance(effect, QueryBlock) else self.store.write(effect)
            )
        return cast("T", raised(result))

    async def call(self, verb: Verb[..., Any], ctx: Context, /, **params: Any) -> Any:
        """Run a verb; returns its record. Raises its errors."""
        return await self.perform(verb.of(ctx, params))

    def call_each(
        self, verb: Verb[..., Any], ctx: Context, params: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[tuple[int, Any | LanesError], None]:
        """Run a verb once for each of ``params``, in pages of one transaction each; their waits overlap.

        Yields the index of each, with its record or expected error, as it ends. A caller that stops iterating stops it
        between two pages.
        """
        return self._each(verb.of(ctx, each) for each in params)

    async def _each(self, effects: Iterable[Effect[T]]) -> AsyncGenerator[tuple[int, T | LanesError], None]:
        under_way, coming = EffectSet[T](), iter(effects)
        try:
            mark = self.changes.mark()
            while True:
                began = self.clock().mono
                page = list(islice(coming, PAGE))
                for ended in under_way.begin(page):
                    yield ended
                while (round_ := under_way.next_round()) is not None:
                    for ended in under_way.answer(round_.places, await self._answers(round_)):
                        yield ended
                if page:
                    continue
                if (seconds := under_way.waits_s) is None:
                    return
                if under_way.several:  # a rest, so that frequent commits do not cause as many checks
                    await asyncio.sleep(REST_SHARE * (self.clock().mono - began) / 1000)
                await self.changes.wait(seconds, mark)
                mark = self.changes.mark()
                for ended in under_way.waited():
                    yield ended
        finally:
            under_way.close()

    async def _answers(self, round_: Round) -> list[Any]:
        if round_.step is not None:
            return await self.store.write(round_.step)
        if len(round_.queries) == 1:  # a point read runs in this thread
            return [await self.store.read(round_.queries[0])]
        return await self.store.look(lambda read: list(map(read, round_.queries)))

    async def _in_background(self, work: Callable[[Store], T]) -> T:
        """Run work that may read the whole database in a thread, one at a time, since threads are few."""
        await self._lengthy.acquire()
        running = asyncio.ensure_future(in_thread(lambda: _in_thread(self.store, work)))
        running.add_done_callback(lambda _: self._lengthy.release())  # a cancelled caller does not end the thread
        return await asyncio.shield(running)


def _in_thread(store: AsyncStore, work: Callable[[Store], T]) -> T:
    with closing(InThread(store)) as face:
        return work(face)
