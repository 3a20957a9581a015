"""Threads for the short blocking work of lanes. Those of asyncio are few and shared with all other code: a runner that
blocks in them, or a name server that does not answer, would hold up lists, the end of runs, and the stop of a gateway.

Also: work in the event loop of another thread, work that is completed even if its caller is cancelled, and how tasks
begin and end."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

P = ParamSpec("P")
T = TypeVar("T")

#: More than are ever needed at the same time; a thread is started only if none is idle.
MOST_THREADS = 256


class _Threads(ThreadPoolExecutor):
    """Threads that do the work of those which cannot be started: at a limit of processes (``RuntimeError``) it waits
    for them. Only where there is none yet, the error is raised."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                self._work_queue.get_nowait()  # the work, which nobody waits for then: no thread may do it later
                raise


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor] = WeakKeyDictionary()


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``asyncio.to_thread``, in threads that no other code uses."""
    loop = asyncio.get_running_loop()
    if (pool := _pools.get(loop)) is None:
        _end_of_closed()
        pool = _pools[loop] = _Threads(MOST_THREADS, "lanes")
    return await loop.run_in_executor(pool, partial(contextvars.copy_context().run, work, *args, **kwargs))


def _end_of_closed() -> None:
    """End the threads of event loops that were closed: nothing else does before these are collected as garbage."""
    for loop in [found for each in _pools.keyrefs() if (found := each()) is not None and found.is_closed()]:
        if (pool := _pools.pop(loop, None)) is not None:
            pool.shutdown(wait=False)


def let_end() -> None:
    """Let the idle threads of this event loop end: a program that forks later is to have none."""
    if (pool := _pools.pop(asyncio.get_running_loop(), None)) is not None:
        pool.shutdown(wait=False)


def in_one_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Begin work in a thread that ends with it, even if the event loop ends before."""
    threads = ThreadPoolExecutor(1, "lanes")
    try:
        return threads.submit(work, *args, **kwargs)
    finally:
        threads.shutdown(wait=False)


async def shut_down() -> None:
    """Wait for what still works in these threads of this event loop, and end them."""
    loop = asyncio.get_running_loop()
    if (pool := _pools.pop(loop, None)) is not None:
        await asyncio.wrap_future(in_one_thread(pool.shutdown))


def is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is called in that event loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


async def in_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], keep: Callable[[T], None]) -> T:
    """Do it in that event loop, also from the one of another thread. The work is cancelled with its caller; ``keep`` is
    called, in either thread, with what it returns nonetheless."""
    if is_running(loop):
        return await work
    outcome = Future[T]()

    async def deliver() -> None:
        result = await work
        try:
            outcome.set_result(result)
        except InvalidStateError:
            keep(result)

    try:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(deliver(), loop))
    except asyncio.CancelledError:
        if not outcome.cancel():
            keep(outcome.result())
        raise
    return outcome.result()


async def to_its_end(work: Awaitable[T]) -> T:
    """Complete it even if the caller is cancelled meanwhile, again and again as by anyio until it has left its scope;
    the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from (None if task.cancelled() else task.exception())
    return task.result()


class Once:
    """Work that is done once, to its end. Who asks for it again, also in another event loop, waits for that end, and
    hears of no error."""

    def __init__(self) -> None:
        self._begun = Lock()
        self._ended = Future[None]()

    async def do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if not self._begun.acquire(blocking=False):
            return await to_its_end(asyncio.wrap_future(self._ended))
        try:
            await to_its_end(work())
        finally:
            self._ended.set_result(None)


def kept(tasks: set[asyncio.Task[T]], work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Begin a task, which is one of ``tasks`` until it has ended: asyncio itself lets it be collected as garbage."""
    task = asyncio.create_task(work, name=name)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most this long; whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def call_off(*tasks: asyncio.Future[Any]) -> None:
    """Cancel these tasks, and return once all have ended, in whatever way."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
