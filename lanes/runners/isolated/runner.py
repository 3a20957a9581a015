"""The runner of ``isolate = "process"``: each run of a Python function in a process that can be killed."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lanes.base.errors import ConfigError, RunFailed, RunParked
from lanes.base.sentences import sentence
from lanes.base.terminal import clean
from lanes.config.declared.model import ProcessLimits, RunnerConfig
from lanes.host.tree import TAG, tag
from lanes.runners.base import Delta, Reply, RunContext
from lanes.runners.command.child import Child
from lanes.runners.command.memory import AgentMemory
from lanes.runners.command.trees import DRAIN_S, GraceOf, RunTrees, check_room, ended_with, new_child, start_order
from lanes.runners.command.users import environment_of, system_user
from lanes.runners.current import CURRENT
from lanes.runners.isolated.wire import Answer, Job, written
from lanes_storage.law import Cause
from lanes_storage.logs import Log
from lanes_storage.records import AttemptPhase, ProviderAttempt
from lanes_storage.threads import call_off, kept

log = Log("lanes.isolated")

PROCESS = "lanes.runners.isolated.process"
#: How many processes with a loaded target wait for runs.
SPARE = 2
#: How long a process may take to end once its run has ended, in milliseconds; half of it before SIGKILL.
LAST_MS = 4_000
#: The longest line that is read (such as a reply), and how much is logged of a line that the target prints.
LONGEST_LINE = 64 * 1024 * 1024
LONGEST_LOGGED = 2_000
#: How many of the last printed bytes are kept, for the failure of a process that ended without a report.
KEPT = 2_048


class IsolatedRunner:
    """The runner of one ``[[runner]]`` of kind ``python`` with a process for each run. For the event loop."""

    def __init__(
        self, config: RunnerConfig, folder: Path, env: Mapping[str, str], memory: AgentMemory, grace: GraceOf
    ) -> None:
        assert config.isolated is not None
        self._limits: ProcessLimits = config.isolated
        self._user = system_user(self._limits.user, config.name)
        self._argv = _argv(config.target or "", folder)
        self._env = environment_of(self._user, env)
        self._grace = grace
        self._trees = RunTrees(memory, grace)
        self._spares = deque[Child]()
        self._most_spares = min(SPARE, config.max_runs)
        self._preparing: set[asyncio.Task[None]] = set()
        self.stop = self._trees.stop

    async def __call__(self, run: RunContext) -> Reply:
        """Run one message. Raises RunFailed or RunParked."""
        child = self._spare() or await self._new()
        self._prepare()
        dialogue = _Dialogue(run, child)
        async with self._trees.of(run, child):
            await dialogue.hold()
        return dialogue.result()

    async def aclose(self) -> None:
        """End the processes that wait for runs."""
        await call_off(*self._preparing)
        for child in self._spares:
            child.close()
        if self._spares:
            await asyncio.wait([child.ended for child in self._spares])

    def _spare(self) -> Child | None:
        while self._spares:
            child = self._spares.popleft()
            if not child.ended.done() and child.exit is None:
                return child
            child.close()
        return None

    def _prepare(self) -> None:
        """Start another process, so that the next run need not wait for its start."""
        if len(self._spares) + len(self._preparing) < self._most_spares:
            kept(self._preparing, self._fill(), "lanes-spare-process")

    async def _fill(self) -> None:
        with contextlib.suppress(RunFailed):  # the next run fails with it
            self._spares.append(await self._new())

    async def _new(self) -> Child:
        """A process that loads the target, and then waits for its run. Raises RunFailed."""
        child = new_child()
        try:
            env = self._env | {TAG: tag(child.identity)}
            grace, limits = self._grace(""), self._limits
            await child.start(start_order(self._argv, env, str(Path.cwd()), grace, limits, self._user))
        except BaseException:
            child.close()
            raise
        return child


def check_target(target: str, folder: Path, env: Mapping[str, str]) -> None:
    """Load a target in a separate process. Raises ConfigError."""
    argv = [*_argv(target, folder), "--check"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        reason = done.stderr.strip()[-KEPT:] or f"loading it {ended_with(done.returncode)}"
        raise ConfigError(f"runner target {target}: {reason}")


def _argv(target: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", PROCESS, target, str(folder)]


class _Dialogue:
    """The exchange of messages between a gateway and the process of one run."""

    def __init__(self, run: RunContext, child: Child) -> None:
        self._run = run
        self._child = child
        self._end: dict[str, Any] | None = None  # how the run ended, as the process reports it
        self._too_long = False
        self._printed = b""
        self._answering: dict[int, asyncio.Task[None]] = {}

    async def hold(self) -> None:
        """Send the process its run, and serve its calls, until its tree has ended."""
        child = self._child
        self._input = await child.input()
        tasks = [asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._print())]
        current, run = CURRENT.get(), self._run
        assert current is not None, "a runner is called in a run"
        try:
            await self._send(Job(run.id, run.epoch, current.database, run.key, run.text, run.request, run.message))
            await asyncio.wait({child.ended})  # awaited directly, it would be cancelled with this task
            await asyncio.wait(tasks, timeout=DRAIN_S)
        finally:
            await call_off(*tasks, *self._answering.values())

    def result(self) -> Reply:
        """The reply of a run whose tree has ended. Raises RunFailed, RunParked or NoRoom."""
        check_room(self._child)
        if self._too_long:
            raise RunFailed("output_too_large", f"its reply has more than {LONGEST_LINE} bytes")
        if self._end is None:
            printed = self._printed.decode(errors="replace").strip()
            detail = f"its process {ended_with(self._child.exit)}" + (f": {printed}" if printed else "")
            raise RunFailed("exit_status", detail)
        match self._end:
            case {"failed": [cause, message, chain]}:
                raise RunFailed(cause, message, _attempts(chain))
            case {"parked": [until, message, chain]}:
                raise RunParked(until, message, _attempts(chain))
            case {"reply": dict(reply)}:
                return Reply(**reply | {"attempts": _attempts(reply.get("attempts", ()))})
        raise RunFailed(Cause.RUNNER_FAILED, "its process does not say how it ended")

    async def _send(self, message: Job | Answer) -> None:
        with contextlib.suppress(ConnectionError):  # it has ended
            self._input.write(written(message))
            await self._input.drain()

    async def _listen(self) -> None:
        """Take the messages of the process, one per line, and end it once its run has ended."""
        waiting = bytearray()
        async for data in self._child.output():
            waiting += data
            *lines, rest = waiting.split(b"\n") if b"\n" in data else (waiting,)
            waiting = rest
            for line in lines:
                self._take(bytes(line))
            self._too_long = self._too_long or len(waiting) > LONGEST_LINE
            if self._end is not None or self._too_long:
                self._child.stop(LAST_MS)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            name, number = message.get("call"), message.get("ask")
            if (dropped := message.get("drop")) is not None:
                self._drop(dropped)
            elif name is None:
                self._end = self._end or message
            elif number is None:
                CALLS[name](self._run, *message["args"])
            else:
                task = asyncio.ensure_future(self._answer(number, name, message["args"]))
                self._answering[number] = task
                task.add_done_callback(lambda _: self._answering.pop(number, None))
        except Exception as error:  # the process of a user's own code may say anything
            log.warning(
                "run %d of lane %a: its process sent a line that cannot be read: %s",
                self._run.id,
                self._run.key,
                sentence(error),
            )

    def _drop(self, number: int) -> None:
        """Cancel the request for an answer that the process does not need any more."""

        def answer_dropped(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                self._input.write(written(Answer(number)))

        if (task := self._answering.get(number)) is not None:
            task.add_done_callback(answer_dropped)
            task.cancel()

    async def _answer(self, number: int, name: str, args: list[Any]) -> None:
        try:
            answer = Answer(number, await QUERIES[name](self._run, *args))
        except Exception as error:
            answer = Answer(number, error=error)
        await self._send(answer)

    async def _print(self) -> None:
        """Log what the target prints."""
        async for data in self._child.errors():
            self._printed = (self._printed + data)[-KEPT:]
            for line in data.decode(errors="replace").splitlines():
                log.info("run %d of lane %a: %s", self._run.id, self._run.key, clean(line[:LONGEST_LOGGED]))


def _attempts(chain: Sequence[Sequence[Any]]) -> tuple[ProviderAttempt, ...]:
    return tuple(ProviderAttempt(*each) for each in chain)


async def _reached_caller(run: RunContext) -> bool:
    return run.reached_caller


#: The calls of the process that need no answer, by name. Their arguments come as JSON.
CALLS: dict[str, Callable[..., None]] = {
    "progress": lambda run, what: run.progress(what),
    "busy": lambda run, seconds, what: run.busy(seconds, what),
    "spent": lambda run, usage, cost_usd: run.spent(usage, cost_usd),
    "attempt": lambda run, phase: run.attempt(None if phase is None else AttemptPhase(*phase)),
    "emit": lambda run, *pieces: run.emit(*(Delta(*piece) for piece in pieces)),
    "discard": lambda run: run.discard(),
}
#: The calls of the process that need an answer.
QUERIES: dict[str, Callable[..., Awaitable[Any]]] = {
    "recall": lambda run, turns, characters: run.recall(turns, characters),
    "tell_from": lambda run, turn: run.tell_from(turn),
    "reached_caller": _reached_caller,
    "ask": lambda run, text, timeout, options, permission: run.ask(
        text, timeout=timeout, options=options, permission=permission
    ),
    "steer": lambda run: run.inbox().get(),
}
