"""A thread pool for short blocking work, and helpers for tasks and event loops.

asyncio's own pool is small and shared with all other code: a runner that blocks in it, or a name server that does not
answer, would delay lists, the end of runs and the stop of a gateway."""

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
    """A pool that goes on with its threads when no more can be started (``RuntimeError`` at a process limit): the work
    waits for one of them. Only if there is none yet, the error is raised."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                self._work_queue.get_nowait()  # the caller gets the error, so no thread may do this work later
                raise


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor] = WeakKeyDictionary()


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``asyncio.to_thread``, in threads that no other code uses. While the interpreter ends (``atexit``), no thread can
    be started any more: the work is done in this one."""
    loop = asyncio.get_running_loop()
    if (pool := _pools.get(loop)) is None:
        _shut_down_orphaned_pools()
        pool = _pools[loop] = _Threads(MOST_THREADS, "lanes")
    in_context = partial(contextvars.copy_context().run, work, *args, **kwargs)
    try:
        outcome = loop.run_in_executor(pool, in_context)
    except RuntimeError as error:
        if not _ends_interpreter(error):
            raise
        return in_context()
    return await outcome


def _ends_interpreter(error: RuntimeError) -> bool:
    """Whether a thread was refused since the interpreter ends. Python has no separate type for it, and does not name
    the interpreter if a thread of the pool has noticed that before."""
    return str(error).endswith("shutdown")


def _shut_down_orphaned_pools() -> None:
    """Shut down the pools of closed event loops; otherwise they live until these loops are collected as garbage."""
    for loop in [found for each in _pools.keyrefs() if (found := each()) is not None and found.is_closed()]:
        if (pool := _pools.pop(loop, None)) is not None:
            pool.shutdown(wait=False)


def let_end() -> None:
    """Shut down the pool of this event loop without waiting: a program that forks later must not have its threads."""
    if (pool := _pools.pop(asyncio.get_running_loop(), None)) is not None:
        pool.shutdown(wait=False)


def in_one_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Start work in a separate thread, which ends with the work, even if the event loop ends earlier. While the
    interpreter ends, it is done in this thread before this returns."""
    threads = ThreadPoolExecutor(1, "lanes")
    try:
        return threads.submit(work, *args, **kwargs)
    except RuntimeError as error:
        if not _ends_interpreter(error):
            raise
        outcome = Future[T]()
        try:
            outcome.set_result(work(*args, **kwargs))
        except Exception as failed:
            outcome.set_exception(failed)
        return outcome
    finally:
        threads.shutdown(wait=False)


async def shut_down() -> None:
    """Shut down the pool of this event loop; returns when its work is done."""
    loop = asyncio.get_running_loop()
    if (pool := _pools.pop(loop, None)) is not None:
        await asyncio.wrap_future(in_one_thread(pool.shutdown))


def is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the caller runs in ``loop``."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


async def in_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], keep: Callable[[T], None]) -> T:
    """Run ``work`` in ``loop``, which may belong to another thread, and return its result. Cancelling the caller
    cancels the work; if the work returns a result nonetheless, ``keep`` is called with it, in either thread."""
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
    """Complete ``work`` even if the caller is cancelled meanwhile; the cancellation is raised afterwards.

    It may be cancelled many times: anyio cancels a task again and again until that has left the cancelled scope."""
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
    """Work that is done once, to its end. Further callers, also in other event loops, wait for that end; only the first
    one gets its error."""

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
    """Start a task and keep it in ``tasks`` until it has ended: asyncio holds only a weak reference to a task."""
    task = asyncio.create_task(work, name=name)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most ``seconds``; returns whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def call_off(*tasks: asyncio.Future[Any]) -> None:
    """Cancel these tasks and return once all have ended; their results and errors are dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
