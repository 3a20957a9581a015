"""The only writer: a thread that groups the steps of concurrent callers into one commit.

It takes all waiting steps, up to the size of a batch, executes the commands of one transition as one set, all sets in
one transaction, and commits once, so that the steps share the cost of the fsync. It never waits for more steps. When a
step raises, the whole batch is rolled back and each step is run again in a separate transaction: the other steps must
not fail because of it, and a SAVEPOINT for every step would cost more.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from lanes_storage import errors
from lanes_storage.interface import Step, carry_out
from lanes_storage.logs import Log
from lanes_storage.sqlite.file.connect import translate
from lanes_storage.sqlite.file.file import SqliteFile
from lanes_storage.sqlite.file.transaction import SqliteTransaction

T = TypeVar("T")

log = Log("lanes.storage")

LARGEST_BATCH = 256


#: A step, the future that its caller waits for, and the caller's event loop (None: the caller is a thread).
_Future = asyncio.Future[Any] | Future[Any]
_Job = tuple[Step[Any], _Future, asyncio.AbstractEventLoop | None]


class _Failed(NamedTuple):
    """In place of the result of a step: the error for its caller."""

    error: BaseException


class Listeners:
    """The listeners to commits of this process. Safe from any thread."""

    def __init__(self) -> None:
        self._all: dict[object, Callable[[], None]] = {}

    def add(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener from now on, until the returned function is called."""
        place = object()  # the same listener may be added twice
        self._all[place] = listener

        def remove() -> None:
            self._all.pop(place, None)

        return remove

    def notify(self) -> None:
        """Call all listeners after a commit. If one raises, the others are still called."""
        for listener in list(self._all.values()):  # a copy in one step: others may change it meanwhile
            try:
                listener()
            except Exception:
                log.exception("a listener to commits failed; the others are told, and it is told of the next")


class Writer:
    """The thread that writes the file. ``submit`` from any thread; ``close`` finishes the submitted steps."""

    def __init__(
        self, file: SqliteFile, committed: Callable[[], None], home: asyncio.AbstractEventLoop | None = None
    ) -> None:
        """``committed`` is called after commits, before the callers get their results: in the event loop ``home``
        (None: in the writer's thread)."""
        self._name = str(file.guard.files.path)
        self._file = file
        self._connection = file.connection
        self._committed = committed
        self._home = home
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="lanes-writer", daemon=True)
        self._thread.start()

    def submit(self, step: Step[T], loop: asyncio.AbstractEventLoop) -> "asyncio.Future[T]":
        """Submit a step from an event loop."""
        future: asyncio.Future[T] = loop.create_future()
        self._put((step, future, loop))
        return future

    def submit_blocking(self, step: Step[T]) -> "Future[T]":
        """Submit a step from a thread."""
        future: Future[T] = Future()
        self._put((step, future, None))
        return future

    def close(self) -> None:
        """Run the submitted steps, then close the connection. May be called twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        if self._file.guard.at_home:  # in a forked child the thread does not exist
            self._thread.join()

    def _put(self, job: _Job) -> None:
        self._file.guard.check_process()
        with self._closing:
            if self._closed:
                raise errors.StoreClosed(self._name)
            self._jobs.put(job)

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                wanted = [job for job in batch if job[2] is not None or _is_wanted(job)]
                if wanted:
                    changes = self._connection.total_changes
                    results = self._run_batch(wanted)
                    changed = self._connection.total_changes != changes
                    self._wake(wanted, results, changed)
                    if changed:
                        self._file.log.committed()
                batch = wanted = results = []  # free the written data now, not only when the next job arrives
        finally:
            self._file.close()

    def _next_batch(self) -> list[_Job]:
        """The waiting jobs, in order; empty when the writer should end."""
        try:
            job = self._jobs.get(timeout=self._file.log.idle_in_s())
        except queue.Empty:
            self._file.log.idle()
            job = self._jobs.get()
        if job is None:
            return []
        batch = [job]
        with contextlib.suppress(queue.Empty):
            while len(batch) < LARGEST_BATCH:
                job = self._jobs.get_nowait()
                if job is None:
                    self._jobs.put(None)  # after this batch
                    break
                batch.append(job)
        return batch

    def _run_batch(self, batch: list[_Job]) -> list[Any]:
        """The result of each step, or ``_Failed``. If a step raised, each is run again in a separate transaction."""
        results, raised = self._commit([step for step, _, _ in batch])
        if raised and len(batch) > 1:
            return [self._commit([step])[0][0] for step, _, _ in batch]
        return results

    def _commit(self, steps: list[Step[Any]]) -> tuple[list[Any], bool]:
        """Run the steps in one transaction. Returns their results, and whether one of them raised; then nothing was
        committed."""
        in_steps = False
        try:
            with SqliteTransaction(self._connection, self._file.guard) as tx:
                in_steps = True
                results = carry_out(tx, steps)
                in_steps = False
        except BaseException as error:  # any exception belongs to the callers; the writer must survive it
            # foreign keys are checked at the commit, and its error does not say which step broke one
            raised = in_steps or isinstance(error, sqlite3.IntegrityError)
            return [_Failed(_for_callers(self._name, error))] * len(steps), raised
        return results, False

    def _wake(self, batch: list[_Job], results: list[Any], changed: bool) -> None:
        """Call the listeners and wake the callers: one call into each event loop for all its callers."""
        ended: dict[asyncio.AbstractEventLoop | None, list[tuple[_Future, Any]]] = defaultdict(list)
        if changed:
            ended[self._home] = []
        for (_, future, loop), result in zip(batch, results, strict=True):
            ended[loop].append((future, result))
        for loop, callers in ended.items():
            notify = partial(self._notify, callers, changed and loop is self._home)
            if loop is None:
                notify()
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits there
                    loop.call_soon_threadsafe(notify)

    def _notify(self, ended: list[tuple[_Future, Any]], committed: bool) -> None:
        try:
            if committed:
                self._committed()
        finally:
            for future, result in ended:
                if future.done():  # its caller was cancelled; the step is committed all the same
                    continue
                if isinstance(result, _Failed):
                    future.set_exception(result.error)
                else:
                    future.set_result(result)


def _is_wanted(job: _Job) -> bool:
    """Whether the thread that submitted the step still waits for it: one that gave up may have submitted the step
    again. A step from an event loop runs even if its caller is cancelled; cleanup code relies on that."""
    return cast("Future[Any]", job[1]).set_running_or_notify_cancel()


def _for_callers(name: str, error: BaseException) -> BaseException:
    """The exception for the callers. A StopIteration is replaced: neither a coroutine nor a future may raise it."""
    if isinstance(error, sqlite3.Error | MemoryError):
        return translate(name, error)
    if not isinstance(error, StopIteration):
        return error
    replacement = RuntimeError("a step raised StopIteration")
    replacement.__cause__ = error
    return replacement
