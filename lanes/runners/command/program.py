"""The program that a runner starts for its runs: its folder, its arguments and its environment."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from lanes.base.errors import RunFailed
from lanes.base.secrets import words_of
from lanes.config.declared.model import CommandConfig, ProcessLimits, RunnerConfig
from lanes.config.declared.templates import arguments, environment
from lanes.host.tree import TAG, tag
from lanes.runners.base import RunContext
from lanes.runners.command.child import Child, StartOrder
from lanes.runners.command.folders import working_folder
from lanes.runners.command.memory import AgentLane, AgentMemory
from lanes.runners.command.trees import DRAIN_S, GraceOf, RunTrees, check_room, ended_with, new_child, start_order
from lanes.runners.command.users import environment_of, system_user
from lanes.runners.http.redaction import redacted
from lanes_storage.errors import DatabaseReplaced, StorageError
from lanes_storage.logs import Log
from lanes_storage.records import ProcessIdentity
from lanes_storage.threads import call_off

log = Log("lanes.command")

#: How many bytes of the beginning and of the end of standard error are kept, for the sentence about a failure.
ERRORS_KEPT = 2_048
#: How agents say that they do not know the conversation that they should continue (``{0}``: its id). The patterns are
#: exact, because a match starts the program once more, and failures of any kind mention sessions.
_UNKNOWN = (
    r"\b(no (session|conversation|thread|rollout) found|unknown (session|conversation|thread)"
    r"|(session|conversation|thread) not (found|loaded)|(no such|invalid) (session|conversation|thread))\b"
    r"( (with|for) (session|conversation|thread))?( id| identifier)?\W{{0,3}}{0}(?![\w-])",
    r"^(\w+: )?(the )?(session|conversation|thread)( id)?\W{{1,3}}{0}\W{{1,3}}((was|is) )?"
    r"(not found|unknown|does not exist)\W*$",
    r"^error: session not found$",  # of opencode, and of gemini where it knows none at all
    r"^error resuming session: no previous sessions found for this project\.?$",
)
#: Colours of a terminal.
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class AgentProgram:
    """The program of one ``[[runner]]``, and the trees of its runs. Raises ConfigError for a user that it cannot start
    as. ``cancellable``: see ``RunTrees``."""

    def __init__(self, config: RunnerConfig, memory: AgentMemory, grace: GraceOf, *, cancellable: bool = False) -> None:
        assert config.command is not None
        self.config: CommandConfig = config.command
        self.name = os.path.basename(self.config.argv[0])  # noqa: PTH119 - no path of ours
        self.runner = config.name
        self.trees = RunTrees(memory, grace, cancellable=cancellable)
        self.grace = grace
        self._memory = memory
        self._user = system_user(self.config.limits.user, config.name)
        self._keys = words_of((name, os.environ.get(name, "")) for name in self.config.env)

    async def lane(self, run: RunContext) -> AgentLane:
        """The lane of a run, with what is stored of its agent's conversation."""
        return await self._memory.lane(run, self.runner)

    @asynccontextmanager
    async def places(self, run: RunContext, lane_id: int) -> AsyncIterator[Mapping[str, str]]:
        """The values for the places in its arguments. The folder exists during the block. Raises RunFailed."""
        numbers = {"lane_id": str(lane_id), "run_id": str(run.id)}
        config = self.config

        async def git(held: int, *args: str) -> str | None:
            run.progress(f"git:worktree {args[0]}")
            return await self._git(run, held, ["-C", str(config.worktree_of), "worktree", *args])

        context = working_folder(
            config.cwd,
            numbers,
            keep=config.keep_cwd,
            git=None if config.worktree_of is None else git,
            user=self._user,
            progress=run.progress,
        )
        async with context as folder:
            yield numbers | {
                "key": run.key, "message_id": str(run.message.id), "text": run.text, "cwd": str(folder)
            }  # fmt: skip

    def order(
        self,
        run: RunContext,
        keeper: ProcessIdentity,
        template: Sequence[str],
        places: Mapping[str, str],
        text: str | None = None,
    ) -> StartOrder:
        """The order to start it. ``text`` is its last argument. Raises RunFailed."""
        config = self.config
        argv = [*arguments(config.wrap, places, None), *arguments(template, places, text)]
        if any("\0" in each for each in argv):
            raise RunFailed("bad_request", "an argument of a program cannot hold a NUL character")
        return self._order(run, keeper, argv, places["cwd"], config.limits)

    def _order(
        self, run: RunContext, keeper: ProcessIdentity, argv: Sequence[str], cwd: str, limits: ProcessLimits
    ) -> StartOrder:
        own = {"LANES_RUN_ID": str(run.id), TAG: tag(keeper)}
        inherited = environment_of(self._user, environment(os.environ, self.config.env, {}))
        return start_order(argv, inherited | own, cwd, self.grace(run.key), limits, self._user)

    async def _git(self, run: RunContext, held: int, args: Sequence[str]) -> str | None:
        """Run git as a program of this run, with its user and environment: a repository can name programs that git
        starts. Returns why it failed. Raises RunFailed if it may not begin."""
        argv = ["git", "-c", "core.hooksPath=/dev/null", *args]
        child, complaints = new_child(held), Complaints()
        async with self.trees.of(run, child) as keeper:
            await child.start(self._order(run, keeper, argv, "/", ProcessLimits(nice=self.config.limits.nice)))
            reading = asyncio.ensure_future(complaints.follow(child, self.config.max_output_bytes))
            try:
                await child.feed(b"")
                await asyncio.wait({child.ended})  # awaited directly, it would be cancelled with this task
                await asyncio.wait({reading}, timeout=DRAIN_S)
            finally:
                await call_off(reading)
        check_room(child)
        if child.failure is not None:
            return f"git could not be started: {child.failure}"
        return None if child.exit == 0 else redacted(complaints.text, *self._keys) or f"git {ended_with(child.exit)}"

    def failed(self, cause: str, detail: str) -> RunFailed:
        """The failure of a run, without the secrets of its environment: agents repeat a key that was refused."""
        return RunFailed(cause, redacted(f"{self.name}{detail}", *self._keys))

    def check(self, child: Child) -> None:
        """Raises RunFailed or NoRoom where it could not be started, or wrote too much."""
        check_room(child)
        if child.failure is not None:
            raise self.failed("not_started", f" could not be started: {child.failure}")
        if child.too_large:
            raise self.failed("output_too_large", f" wrote more than {self.config.max_output_bytes} bytes")

    def exited(self, child: Child, errors: str) -> RunFailed:
        """The failure of a program that did not exit with 0, with its standard error."""
        return self.failed("exit_status", f" {ended_with(child.exit)}" + (f": {errors}" if errors else ""))

    async def keep(self, run: RunContext, session: str | None, used: Mapping[str, float]) -> None:
        """Store the id of the conversation, and what that has used so far. If that fails, the run goes on."""
        try:
            await self._memory.keep_session(run, self.runner, session, used)
        except DatabaseReplaced:
            raise
        except StorageError as error:
            log.warning("run %d of lane %a: the next one begins a new conversation: %s", run.id, run.key, error)

    def begin_again(self, run: RunContext, session: str, reason: object) -> None:
        """Report that the agent does not know its conversation any more, and begins a new one. The new id replaces the
        old one only once it is known, so that nothing is lost until then."""
        line = "run %d of lane %a: its agent does not know session %a any more, and begins a new one: %s"
        log.warning(line, run.id, run.key, session, redacted(str(reason), *self._keys))
        run.progress("session:unknown, a new one begins")
        run.discard()


def unknown_session(output: str, session: str) -> bool:
    """Whether an agent says that it does not know that conversation."""
    output = _COLOURS.sub("", output)
    return any(re.search(each.format(re.escape(session)), output, re.IGNORECASE | re.MULTILINE) for each in _UNKNOWN)


class Complaints:
    """The beginning and the end of what a program writes to its standard error."""

    def __init__(self) -> None:
        self._first = b""
        self._last = b""

    async def follow(self, child: Child, most: int) -> None:
        """Read the standard error to its end, or until it exceeds ``most`` bytes."""
        async for data in child.errors(most):
            room = max(0, ERRORS_KEPT - len(self._first))
            self._first += data[:room]
            self._last = (self._last + data[room:])[-ERRORS_KEPT:]

    @property
    def text(self) -> str:
        """What is kept of it."""
        return (self._first + self._last).decode(errors="replace").strip()
