"""The process trees of a runner's runs, from the moment that the database stores each to the proof that nothing of it
is left."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from lanes.base.errors import RunFailed
from lanes.config.declared.model import ProcessLimits
from lanes.host.cgroups import ControlGroup
from lanes.host.descriptors import is_shortage, note_shortage
from lanes.host.identity import this_process
from lanes.host.tree import TAG, Survivor, end, reap
from lanes.runners.base import RunContext, StopHow
from lanes.runners.command.child import NO_PROCESS, Child, StartOrder
from lanes.runners.command.memory import AgentMemory
from lanes.runners.command.users import SystemUser
from lanes.runners.http.failures import NoProcess, NoRoom
from lanes_storage.logs import Log
from lanes_storage.records import ProcessIdentity
from lanes_storage.threads import in_thread, to_its_end

log = Log("lanes.command")

#: Seconds between two searches for what is left after the keeper was killed.
SWEEP_S = 0.05
#: How long the pipes may stay open once the tree is gone: another process may have inherited them.
DRAIN_S = 2.0

#: The grace of a lane in milliseconds, by its key.
GraceOf = Callable[[str], int]


class RunTrees:
    """The trees of one runner. For the event loop, except ``stop``.

    ``cancellable``: its runs ask their programs to stop, so SIGTERM follows only after a quarter of the grace.
    """

    def __init__(self, memory: AgentMemory, grace: GraceOf, *, cancellable: bool = False) -> None:
        self._memory = memory
        self._grace = grace
        self._cancellable = cancellable
        self._children: dict[int, Child] = {}

    def stop(self, run: RunContext, how: StopHow) -> None:
        """Order the end of a run's processes. From any thread, even while the event loop is blocked."""
        child = self._children.get(run.id)
        if child is not None:
            child.stop(how.grace_ms, how.grace_ms // 4 if self._cancellable else 0)

    @asynccontextmanager
    async def of(self, run: RunContext, child: Child) -> AsyncIterator[ProcessIdentity]:
        """The tree of a run whose program has not begun; yields its keeper once the database has stored it. At the end
        of the block the tree is ended and waited for, even if the run is cancelled. Raises RunFailed if the program may
        not begin."""
        self._children[run.id] = child
        keeper: ProcessIdentity | None = None
        try:
            keeper = child.identity
            if not await self._memory.attach(run, keeper):
                raise RunFailed("not_started", "it lost its lane, or was aborted, before its program could start")
            yield keeper
        finally:
            if not child.ended.done():
                child.stop(self._grace(run.key))
            try:
                await to_its_end(_ended(run, child, keeper))
            finally:
                child.close()
                self._children.pop(run.id, None)


def new_child(*held: int) -> Child:
    """Start a keeper; its tree holds these descriptors. Raises RunFailed or NoRoom if that is not possible now."""
    try:
        return Child(*held)
    except OSError as error:
        if is_shortage(error):
            note_shortage()
            raise NoRoom from error
        if error.errno in NO_PROCESS:
            raise NoProcess(str(error.strerror)) from error
        raise RunFailed("not_started", f"no process could be started: {error}") from error


def check_room(child: Child) -> None:
    """Raises NoProcess where its keeper could start no process just now."""
    if child.no_process:
        raise NoProcess(child.failure or "")


def start_order(
    argv: Sequence[str], env: Mapping[str, str], cwd: str, grace_ms: int, limits: ProcessLimits, user: SystemUser | None
) -> StartOrder:
    """The order to start a program, in a control group of its own where that is possible. ``env`` must hold ``TAG``."""
    numbers = None if user is None else user.numbers
    own = limits.nice, limits.max_memory_bytes, limits.max_cpu_s, numbers
    return StartOrder(argv, env, cwd, grace_ms, *own, ControlGroup(env[TAG]).make())


def ended_with(code: int | None) -> str:
    """How a program ended, as part of a sentence about it."""
    if code is None:
        return "was killed together with its keeper"
    return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"


async def _ended(run: RunContext, child: Child, keeper: ProcessIdentity | None) -> None:
    """Wait until nothing of a run is left. Its keeper proves that; if the keeper was killed, the host is searched."""
    if await child.ended is not None or keeper is None:
        return
    seen = set[Survivor]()
    while left := await in_thread(end, keeper, this_process(), hard=True):
        if not seen:
            log.warning(
                "run %d of lane %a: its keeper was killed; ending %s", run.id, run.key, ", ".join(map(str, left))
            )
        seen.update(left)
        await asyncio.sleep(SWEEP_S)
    await in_thread(reap, keeper, seen)
