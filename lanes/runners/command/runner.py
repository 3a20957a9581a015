"""The command runner: one message, one program, and before the lane is released the proof that nothing is left."""

import asyncio
from collections.abc import Mapping
from typing import Any

from lanes.base.errors import RunFailed
from lanes.config.declared.model import RunnerConfig
from lanes.runners.base import Reply, RunContext
from lanes.runners.command.child import Child, StartOrder
from lanes.runners.command.formats import JSONL, PRESETS, TEXT, format_of
from lanes.runners.command.memory import AgentLane, AgentMemory
from lanes.runners.command.program import AgentProgram, Complaints, unknown_session
from lanes.runners.command.transcript import EventTranscript, PlainTranscript, Transcript, short
from lanes.runners.command.trees import DRAIN_S, GraceOf, RunTrees, ended_with, new_child
from lanes.runners.dialogue.stream_json import StreamDialogue
from lanes_storage.logs import Log
from lanes_storage.records import ProcessIdentity

log = Log("lanes.command")

#: A program whose turn is over has at least so long to end by itself: it may have to store its session.
LEAVE_S = 2.0


class CommandRunner:
    """The runner of one ``[[runner]]`` of kind ``command``."""

    def __init__(self, config: RunnerConfig, memory: AgentMemory, grace: GraceOf) -> None:
        self._name = config.name
        self._program = AgentProgram(config, memory, grace)
        self._config = self._program.config
        self._memory = memory
        self._grace = grace
        self._trees = RunTrees(memory, grace)
        self.stop = self._trees.stop

    async def __call__(self, run: RunContext) -> Reply:
        """Run one message. Raises RunFailed."""
        lane, steered = await self._memory.lane(run, self._name), list[str]()
        async with self._program.places(run, lane.id, self._trees) as places:
            if lane.session is not None and self._config.resume:
                try:
                    return await self._turn(run, places, lane, steered)
                except _UnknownSession as unknown:
                    self._program.begin_again(run, lane.session, unknown)
            return await self._turn(run, places, AgentLane(lane.id, None), steered)

    # -------------------------------------------------------------------------------------- a turn

    async def _turn(self, run: RunContext, places: Mapping[str, str], lane: AgentLane, steered: list[str]) -> Reply:
        """One start of the program. Raises RunFailed."""
        child = new_child()
        dialogue = StreamDialogue(run, steered) if self._config.converses else None
        output = _Output(self._transcript(run, lane, dialogue), self._config.max_output_bytes, dialogue)
        async with self._trees.of(run, child) as keeper:
            await child.start(self._order(run, places, lane, keeper))
            run.progress("command:started")
            try:
                await self._follow(run, child, output, lane)
            finally:
                run.spent(output.transcript.usage)
        return self._reply(child, output, lane)

    def _transcript(self, run: RunContext, lane: AgentLane, dialogue: StreamDialogue | None) -> Transcript:
        if self._config.output == TEXT:
            return PlainTranscript(run.emit)
        rules = self._config.rules if self._config.output == JSONL else PRESETS[self._config.output]
        hear = None if dialogue is None else dialogue.hear
        return EventTranscript(format_of(rules), run.emit, run.progress, lane.used, hear)

    def _order(
        self, run: RunContext, places: Mapping[str, str], lane: AgentLane, keeper: ProcessIdentity
    ) -> StartOrder:
        config = self._config
        text = None if config.takes_stdin else run.text
        if lane.session is None:
            return self._program.order(run, keeper, config.argv, places, text)
        return self._program.order(run, keeper, config.resume, {**places, "session": lane.session}, text)

    async def _follow(self, run: RunContext, child: Child, output: "_Output", lane: AgentLane) -> None:
        """Feed and read the program until its tree has ended."""
        feeding = asyncio.ensure_future(self._feed(run, child, output))
        reading = [asyncio.ensure_future(_read(child, output)), asyncio.ensure_future(output.complaints.follow(child))]
        leaving = asyncio.ensure_future(self._see_off(run, child, output))
        kept: str | None = None
        try:
            while not child.gone.done():
                either: set[asyncio.Future[Any]] = {child.gone, output.news()}
                await asyncio.wait(
                    either if feeding.done() else {*either, feeding}, return_when=asyncio.FIRST_COMPLETED
                )
                if feeding.done():
                    feeding.result()
                kept = await self._keep(run, output, lane, kept)  # at once: what is cut can be gone on with
            await _drain(reading, output)
            for task in reading:
                if task.done():
                    task.result()
            output.transcript.close()
            kept = await self._keep(run, output, lane, kept)
            if kept is not None and output.transcript.used_so_far:
                await self._program.keep(run, kept, output.transcript.used_so_far)
        finally:
            for task in (feeding, leaving, *reading):
                task.cancel()
            await asyncio.gather(feeding, leaving, *reading, return_exceptions=True)

    async def _see_off(self, run: RunContext, child: Child, output: "_Output") -> None:
        """End a program that stays and is silent when its turn is over: its reply is whole, and its lane waits."""
        grace_ms = self._grace(run.key)
        silent_s = max(grace_ms / 1000, LEAVE_S)
        while child.exit is None and not child.gone.done():
            if not output.transcript.over:
                await asyncio.wait({output.news()})
                continue
            run.busy(2 * silent_s, "its turn is over")
            await output.silence(child.gone, silent_s)
            if output.transcript.over and child.exit is None and not child.gone.done():
                output.stayed = True
                said = "run %d of lane %a: its turn is over, and %s stays: it is ended"
                log.warning(said, run.id, run.key, self._program.name)
                child.stop(grace_ms)
                return

    async def _keep(self, run: RunContext, output: "_Output", lane: AgentLane, kept: str | None) -> str | None:
        """Store the id of the conversation where it is new. Returns what is stored."""
        session = output.transcript.session
        if session is None or session == kept or not self._config.resume:
            return kept
        await self._program.keep(run, session, lane.used if session == lane.session else {})
        return session

    async def _feed(self, run: RunContext, child: Child, output: "_Output") -> None:
        """Give the program its text: at once, or as a dialogue."""
        if output.dialogue is None:
            await child.feed(run.text.encode(errors="replace") if self._config.takes_stdin else b"")
        else:
            await output.dialogue.hold(await child.input())

    def _reply(self, child: Child, output: "_Output", lane: AgentLane) -> Reply:
        """The reply of a turn whose tree has ended. Raises RunFailed."""
        told, failed, errors = output.transcript, self._program.failed, output.complaints.text
        if child.failure is not None:
            raise failed("not_started", f" could not be started: {child.failure}")
        if output.too_large or output.complaints.too_large:
            raise failed("output_too_large", f" wrote more than {self._config.max_output_bytes} bytes")
        if told.error is not None:
            why = failed("agent_error", f": {told.error}")
        elif child.exit != 0 and not output.stayed:
            why = failed("exit_status", f" {ended_with(child.exit)}" + (f": {errors}" if errors else ""))
        elif not told.ended:
            why = failed("no_final_event", " ended without the event that ends a turn: its output was cut")
        else:
            return Reply(told.reply, provider=self._name, usage=told.usage)
        said = f"{short(told.error or '')}\n{errors}"
        if lane.session is not None and not told.acted and unknown_session(said, lane.session):
            raise _UnknownSession(why.failure.cause, why)
        raise why


class _UnknownSession(RunFailed):
    """The agent does not know the conversation that it should continue."""


class _Output:
    """What a program has written, up to a limit."""

    def __init__(self, transcript: Transcript, most: int, dialogue: StreamDialogue | None = None) -> None:
        self.transcript = transcript
        self.dialogue = dialogue
        self.complaints = Complaints(most)
        self.too_large = False
        self.stayed = False  # it had to be ended when its turn was over
        self.busy = False  # a part of it is being read
        self._left = most
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def news(self) -> "asyncio.Future[None]":
        """A future that is done at the next output."""
        if self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        return self._news

    async def take(self, data: bytes) -> bool:
        """Add output. Returns False if the program must be ended: it wrote too much, or is hopeless."""
        self._left -= len(data)
        self.too_large = self._left < 0
        if not self.too_large:
            self.busy = True
            await self.transcript.take(data)
            self.busy = False
        if not self._news.done():
            self._news.set_result(None)
        return not (self.too_large or self.transcript.hopeless)

    async def silence(self, end: "asyncio.Future[Any]", span_s: float) -> None:
        """Wait for that end, or until nothing was written for so long. Time in which output is read does not count, and
        the event loop may have stood still once."""
        idle = 0
        while not end.done() and idle < 2:
            more = self.news()
            await asyncio.wait({end, more}, timeout=span_s / 2, return_when=asyncio.FIRST_COMPLETED)
            idle = 0 if more.done() or self.busy else idle + 1


async def _read(child: Child, output: _Output) -> None:
    """Read the output. A program that must not go on is ended: otherwise it would wait for a reader."""
    try:
        async for data in child.output():
            if not await output.take(data):
                child.stop(0)
                return
    except Exception:
        child.stop(0)
        raise


async def _drain(reading: "list[asyncio.Task[None]]", output: _Output) -> None:
    """The tree is gone: wait until what it wrote is read, which may be much."""
    ended = asyncio.ensure_future(asyncio.wait(reading))
    try:
        await output.silence(ended, DRAIN_S)
    finally:
        ended.cancel()
