"""Calls hooks: in separate tasks, each with a timeout, and none remains when the gateway stops."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from lanes.base.sentences import sentence
from lanes.engine.background.isolation import LEAVES, trace_of, why_left
from lanes.engine.runs.hooks import Hooks, RunEnded
from lanes.engine.runs.live import ActiveRun
from lanes.records import Event
from lanes_storage import reads
from lanes_storage.errors import DatabaseReplaced, StorageError, StoreClosed
from lanes_storage.interface import AsyncStore
from lanes_storage.logs import Log
from lanes_storage.records import Release
from lanes_storage.threads import call_off, kept, set_within

T = TypeVar("T")
log = Log("lanes.hooks")

#: The most concurrent calls; further ones, while hooks hang, are skipped and counted.
MOST_AT_ONCE = 256
#: Notices per page.
PAGE = 16
#: Seconds between two reads of the journal, so that a burst of commits costs one read.
REST_S = 0.05
#: Seconds until a read without any wake-up.
LOOK_ANYWAY_S = 5.0
#: How long a stopping gateway waits for its hooks at most, even if their timeout is longer.
LAST_CALLS_S = 1.0
#: How long a cancelled hook may take to end before it is left behind.
STRAY_S = 0.5


class HookRunner:
    """Calls the hooks of one gateway. For the event loop; ``wake_threadsafe`` may be called from any thread."""

    def __init__(self, hooks: Hooks, store: AsyncStore) -> None:
        self.counts: Counter[str] = Counter()  # "notice timed_out", "before_run failed", "after_run skipped"
        self._hooks = hooks
        self._store = store
        self._begun: dict[int, asyncio.Task[None] | None] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._work: set[asyncio.Future[Any]] = set()
        self._changed = asyncio.Event()
        self._last_event_id = 0
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow the notices, from the newest event on. Raises StorageError."""
        if self._hooks.notice is not None:
            self._last_event_id = await self._store.read(reads.last_event_id())
            self._following = asyncio.create_task(self._follow(), name="lanes-notices")

    def before(self, run: ActiveRun) -> None:
        hook = self._hooks.before_run
        self._begun[run.id] = None if hook is None else self._call("before_run", hook, run)

    def after(self, run: ActiveRun, release: Release | None) -> None:
        """Called when a run has released its lane. Only the first call for a run counts; later ones are about a late
        write."""
        if run.id not in self._begun:
            return
        before, hook = self._begun.pop(run.id), self._hooks.after_run
        if hook is None:
            return
        applied = release is not None and release.applied
        ended = RunEnded(run, release.edge, release.message_state) if release and applied else RunEnded(run)
        self._call("after_run", hook, ended, after=before)

    def wake_threadsafe(self) -> None:
        """Called when something was committed."""
        if self._following is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._following.get_loop().call_soon_threadsafe(self._changed.set)

    async def stop(self) -> None:
        """Make the remaining calls, within the timeout of one hook at most; then cancel those that still run."""
        if self._following is not None:
            await call_off(self._following)
        with contextlib.suppress(TimeoutError, StorageError):
            async with asyncio.timeout(min(self._hooks.timeout_s, LAST_CALLS_S)):
                if self._following is not None:
                    await self._call_for_new()
                await asyncio.gather(*self._calls)
        await call_off(*self._calls)
        if self._work:
            await asyncio.wait(self._work, timeout=STRAY_S)
        if self._work:
            log.error("%d hooks swallow their cancellation and are left behind", len(self._work))

    # ------------------------------------------------------------------------------------- notices

    async def _follow(self) -> None:
        """Call the hook for every notice, in pages, until cancelled. While the database fails, it retries."""
        while True:
            self._changed.clear()
            try:
                await self._call_for_new()
            except StoreClosed:
                return
            except StorageError as error:
                if not isinstance(error, DatabaseReplaced):  # the upkeep logs that, once
                    log.warning("notices can not be read at the moment: %s", error)
            except Exception:
                log.exception("calling the notice hook failed; it will be retried")
            await asyncio.sleep(REST_S)
            await set_within(self._changed, LOOK_ANYWAY_S)

    async def _call_for_new(self) -> None:
        hook = self._hooks.notice
        assert hook is not None
        while True:
            newest = await self._store.read(reads.last_event_id())
            notices = await self._store.read(reads.notices(self._last_event_id, PAGE))
            await asyncio.gather(*(self._timed("notice", hook, Event.of(notice)) for notice in notices))
            if len(notices) < PAGE:
                # a notice committed after the read follows it, and is read the next time
                self._last_event_id = max([self._last_event_id, newest, *(notice.id for notice in notices)])
                return
            self._last_event_id = notices[-1].id

    # --------------------------------------------------------------------------------------- calls

    def _call(
        self, name: str, hook: Callable[[T], Awaitable[Any]], about: T, after: "asyncio.Task[None] | None" = None
    ) -> "asyncio.Task[None] | None":
        """Call a hook in a task, once the call ``after`` has ended. Returns None if too many calls are in progress."""
        if len(self._calls) >= MOST_AT_ONCE:
            self._count(name, "skipped", f"{MOST_AT_ONCE} calls of hooks are under way")
            return None
        return kept(self._calls, self._timed(name, hook, about, after), f"lanes-hook-{name}")

    async def _timed(
        self, name: str, hook: Callable[[T], Awaitable[Any]], about: T, after: "asyncio.Task[None] | None" = None
    ) -> None:
        """Call a hook, once the call ``after`` has ended, and wait until its timeout. Raises nothing except the
        cancellation of this task."""
        if after is not None:
            await asyncio.wait({after})
        work = asyncio.ensure_future(_called(hook, about))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        try:
            await asyncio.wait({work}, timeout=self._hooks.timeout_s)
        finally:
            if not work.done():
                work.add_done_callback(_looked_at)
                work.cancel()
        if not work.done():
            self._count(name, "timed_out", f"it took longer than {self._hooks.timeout_s:g} s")
        elif work.cancelled():
            self._count(name, "failed", "it cancelled itself")
        elif (error := work.exception()) is not None:
            self._count(name, "failed", sentence(error), error)

    def _count(self, name: str, outcome: str, reason: str, error: BaseException | None = None) -> None:
        self.counts[f"{name} {outcome}"] += 1
        trace = "" if error is None else f"\n{trace_of(error)}"
        log.warning("hook %s %s: %s%s", name, outcome.replace("_", " "), ascii(reason), trace)


async def _called(hook: Callable[[T], Awaitable[Any]], about: T) -> None:
    try:
        await hook(about)
    except LEAVES as left:
        raise RuntimeError(why_left(left)) from left


def _looked_at(work: "asyncio.Future[Any]") -> None:
    """Ignore the exception of a cancelled hook."""
    if not work.cancelled():
        work.exception()
