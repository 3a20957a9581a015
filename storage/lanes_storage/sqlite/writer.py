"""The one writer: a thread that groups the steps of concurrent callers into one commit.

It takes whatever waits, up to a batch, runs every step in one transaction and commits once, so that the cost
of making things durable is shared. It never lingers for more. When a step raises, the whole batch is rolled
back and each step is run again in a transaction of its own: the others must not suffer for it, and a
SAVEPOINT for every step would cost the good ones more.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from lanes_storage import errors
from lanes_storage.interface import Step
from lanes_storage.sqlite.connect import translate
from lanes_storage.sqlite.transaction import SqliteTransaction

T = TypeVar("T")
LARGEST_BATCH = 256


@dataclass(slots=True)
class _Job:
    step: Step[Any]
    future: "asyncio.Future[Any] | Future[Any]"
    loop: asyncio.AbstractEventLoop | None  # None: a thread waits
    result: Any = None
    error: BaseException | None = None

    def resolve(self) -> None:
        if self.future.done():  # its caller was cancelled; what is committed stays committed
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Owns the writing connection. ``submit`` from any thread; ``close`` finishes what was handed in."""

    def __init__(self, name: str, connection: sqlite3.Connection, committed: Callable[[], None]) -> None:
        self._name = name
        self._connection = connection
        self._committed = committed  # called in the writer thread after every commit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="lanes-writer", daemon=True)
        self._thread.start()

    def submit(self, step: Step[T], loop: asyncio.AbstractEventLoop) -> "asyncio.Future[T]":
        """Hand in a step from an event loop."""
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Job(step, future, loop))
        return future

    def submit_blocking(self, step: Step[T]) -> "Future[T]":
        """Hand in a step from a thread."""
        future: Future[T] = Future()
        self._put(_Job(step, future, None))
        return future

    def close(self) -> None:
        """Run what was handed in, then close the connection. Harmless twice."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _put(self, job: _Job) -> None:
        with self._closing:
            if self._closed:
                raise errors.StoreClosed(self._name)
            self._jobs.put(job)

    def _work(self) -> None:
        try:
            while batch := self._next_batch():
                self._run_batch(batch)
                self._wake(batch)
                batch = []  # what was written is let go of, however long the next one takes to come
        finally:
            self._connection.close()

    def _next_batch(self) -> list[_Job]:
        """The jobs that wait, in order; empty when the writer is to end."""
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

    def _run_batch(self, batch: list[_Job]) -> None:
        if not self._commit(batch) and len(batch) > 1:
            for job in batch:
                self._commit([job])

    def _commit(self, batch: list[_Job]) -> bool:
        """Run the batch in one transaction. False: one step is to blame, and nothing was committed."""
        running: _Job | None = None
        changes = self._connection.total_changes
        try:
            with SqliteTransaction(self._connection) as tx:
                for running in batch:
                    running.result = running.step(tx)
                running = None
        except BaseException as error:  # whatever it is belongs to the callers, and the writer lives on
            ours = translate(self._name, error) if isinstance(error, sqlite3.Error) else error
            for job in batch:
                job.error = ours
            # references are checked at the commit, which says nothing of who broke one
            return running is None and not isinstance(error, sqlite3.IntegrityError)
        for job in batch:
            job.error = None
        if self._connection.total_changes != changes:  # looking alone wakes nobody
            self._committed()
        return True

    def _wake(self, batch: list[_Job]) -> None:
        """Tell the callers: one call into each event loop, however many of its callers wait."""
        loops: defaultdict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
        for job in batch:
            if job.loop is None:
                job.resolve()
            else:
                loops[job.loop].append(job)
        for loop, jobs in loops.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_resolve_all, jobs)


def _resolve_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.resolve()
