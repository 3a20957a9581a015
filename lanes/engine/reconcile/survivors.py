"""Ends what runs of programs have left behind on this host, and proves that nothing is left.

A run whose release its owner did not confirm may have left its processes behind. Until some lanes process on their host
has ended them, their lane is paused (``PauseKind.SURVIVORS``). Works in any process: a gateway does it in its upkeep,
``lanes abort`` and ``lanes reconcile`` do it themselves.
"""

from collections.abc import Sequence
from functools import partial

from lanes.base.procedure import Procedure, read, wait_for_change, write
from lanes.context import Context
from lanes.engine.background.loop import WriteFunction
from lanes.host.identity import this_process
from lanes.host.tree import Survivor, end
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader
from lanes_storage.logs import Log
from lanes_storage.records import UnprovenRun

log = Log("lanes.survivors")

#: Milliseconds between two looks, for those whose processes are ended now.
LOOK_EVERY_MS = 100
#: The same once all of them have resisted for ``RESISTS_MS``, such as processes that are blocked by a disk.
RARELY_MS = 2_000
RESISTS_MS = 30_000
#: How many milliseconds a command waits at least for the end of a tree, even if the run's grace is shorter.
LEAST_MS = 5_000


class SurvivorWatch:
    """Ends what runs have left behind, step by step, until nothing is left. For one thread."""

    def __init__(self, reader: Reader, write: WriteFunction) -> None:
        self._reader = reader
        self._write = write
        self._next_mono = 0
        self._version: int | None = None
        self._first_seen: dict[int, int] = {}  # by run, on the monotonic clock

    def run_once(self, now: Now, *, by: str, version: int | None = None) -> int:
        """End what is left, and store what is proven; returns how many runs are not proven yet. Raises StorageError.

        ``version``: of the database. While it is unchanged and no run was unproven, nothing is read.
        """
        unchanged = version is not None and version == self._version and not self._first_seen
        if now.mono < self._next_mono or unchanged:
            return len(self._first_seen)
        self._next_mono = now.mono + LOOK_EVERY_MS
        me = this_process()
        runs = self._reader.read(reads.unproven_runs(me.host, me.boot_id))
        self._version = version  # only after everything was read
        self._first_seen = {run.id: self._first_seen.get(run.id, now.mono) for run in runs}
        if runs and all(now.mono - seen >= RESISTS_MS for seen in self._first_seen.values()):
            self._next_mono = now.mono + RARELY_MS
        for run in runs:
            waited = now.mono - self._first_seen[run.id]
            left = _end(run, hard=2 * waited >= run.abort_grace_ms)
            if left is not None and (names := _names(left)) != run.survivors:
                if not left:
                    log.info("nothing is left of run %d of lane %s", run.id, ascii(run.key))
                else:
                    log.warning("run %d of lane %s left %s: they are ended", run.id, ascii(run.key), ", ".join(names))
                self._write(partial(doors.note_survivors, run=run.id, left=names, now=now, by=by))
        return len(runs)


def settle(ctx: Context, run_id: int, *, patience_ms: int, force: bool) -> Procedure[tuple[str, ...] | None]:
    """End what is left of one run, and wait until nothing is left, at most ``patience_ms`` or ``LEAST_MS``, whichever
    is longer.

    Returns () if nothing is left, proven; else what still lives, or None if that cannot be told from here.
    """
    started = ctx.now()
    while True:
        now = ctx.now()
        run: UnprovenRun | None = yield from read(reads.unproven_run(run_id))
        if run is None:
            return ()
        waited = now.mono - started.mono
        left = _end(run, hard=force or 2 * waited >= patience_ms)
        if left is None:
            return run.survivors
        if not left:
            yield from write(partial(doors.note_survivors, run=run_id, left=(), now=now, by=ctx.actor))
            return ()
        if waited >= max(patience_ms, LEAST_MS):
            return _names(left)
        yield from wait_for_change(LOOK_EVERY_MS / 1000)


def _end(run: UnprovenRun, *, hard: bool) -> Sequence[Survivor] | None:
    if not run.started:
        return ()
    if run.keeper is None:
        return None  # stored by a version of lanes that did not identify the process
    return end(run.keeper, this_process(), hard=hard)


def _names(left: Sequence[Survivor]) -> tuple[str, ...]:
    return tuple(map(str, left))
