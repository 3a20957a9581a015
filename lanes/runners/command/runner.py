"""The command runner: one program for each message; the lane is released only once nothing of it is left."""

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
from lanes.runners.command.trees import DRAIN_S, GraceOf, new_child
from lanes.runners.dialogue.stream_json import StreamDialogue
from lanes_storage.logs import Log
from lanes_storage.records import ProcessIdentity
from lanes_storage.threads import call_off

log = Log("lanes.command")

#: How many seconds a program has at least to end by itself after its turn: it may have to store its session.
LEAVE_S = 2.0


class CommandRunner:
    """The runner of one ``[[runner]]`` of kind ``command``."""

    def __init__(self, config: RunnerConfig, memory: AgentMemory, grace: GraceOf) -> None:
        self._program = AgentProgram(config, memory, grace)
        self._config = self._program.config
        self.stop = self._program.trees.stop

    async def __call__(self, run: RunContext) -> Reply:
        """Run one message. Raises RunFailed."""
        lane, steered = await self._program.lane(run), list[str]()
        async with self._program.places(run, lane.id) as places:
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
        output = _Output(self._transcript(run, lane, dialogue), dialogue)
        transcript = output.transcript
        async with self._program.trees.of(run, child) as keeper:
            await child.start(self._order(run, places, lane, keeper))
            run.progress("command:started")
            try:
                await self._follow(run, child, output, lane)
            except asyncio.CancelledError:
                if not transcript.background:  # otherwise the turn is over, and the reply complete
                    raise
                output.stayed = True
            finally:
                run.spent(transcript.usage)
        if transcript.session is not None and self._config.resume and transcript.used_so_far:
            await self._program.keep(run, transcript.session, transcript.used_so_far)
        return self._reply(child, output, lane)

    def _transcript(self, run: RunContext, lane: AgentLane, dialogue: StreamDialogue | None) -> Transcript:
        if self._config.output == TEXT:
            return PlainTranscript(run.emit)
        rules = self._config.rules if self._config.output == JSONL else PRESETS[self._config.output]
        handle = None if dialogue is None else dialogue.handle
        return EventTranscript(format_of(rules), run.emit, run.progress, lane.used, handle)

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
        feeding, most = asyncio.ensure_future(self._feed(run, child, output)), self._config.max_output_bytes
        reading = [
            asyncio.ensure_future(_read(child, output, most)),
            asyncio.ensure_future(output.complaints.follow(child, most)),
        ]
        leaving = asyncio.ensure_future(self._see_off(run, child, output))
        kept: str | None = None
        try:
            while not child.ended.done():
                either: set[asyncio.Future[Any]] = {child.ended, output.news()}
                await asyncio.wait(
                    either if feeding.done() else {*either, feeding}, return_when=asyncio.FIRST_COMPLETED
                )
                if feeding.done():
                    feeding.result()
                kept = await self._keep(run, output, lane, kept)  # now, so that a cut turn can be continued
            await _drain(reading, output)
            for task in reading:
                if task.done():
                    task.result()
            output.transcript.close()
            await self._keep(run, output, lane, kept)
        finally:
            await call_off(feeding, leaving, *reading)

    async def _see_off(self, run: RunContext, child: Child, output: "_Output") -> None:
        """End a program that is silent and does not exit after its turn: its reply is complete, and its lane waits.
        While something of it still works in the background, only the usual limits apply."""
        grace_ms, transcript = self._program.grace(run.key), output.transcript
        silent_s = max(grace_ms / 1000, LEAVE_S)
        while child.exit is None and not child.ended.done():
            if not transcript.over:
                await asyncio.wait({output.news()})
                continue
            run.busy(2 * silent_s, "its turn is over")
            await output.silence(child.ended, silent_s)
            if transcript.over and child.exit is None and not child.ended.done():
                output.stayed = True
                line = "run %d of lane %a: its turn is over, but %s still runs: it is ended"
                log.warning(line, run.id, run.key, self._program.name)
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
        transcript, failed, errors = output.transcript, self._program.failed, output.complaints.text
        self._program.check(child)
        if transcript.error is not None:
            error = failed("agent_error", f": {transcript.error}")
        elif child.exit != 0 and not output.stayed:
            error = self._program.exited(child, errors)
        elif not transcript.ended:
            error = failed("no_final_event", " ended without the event that ends a turn: its output was cut")
        else:
            return Reply(transcript.reply, provider=self._program.runner, usage=transcript.usage)
        text = f"{short(transcript.error or '')}\n{errors}"
        if lane.session is not None and not transcript.acted and unknown_session(text, lane.session):
            raise _UnknownSession(error.failure.cause, error)
        raise error


class _UnknownSession(RunFailed):
    """The agent does not know the conversation that it should continue."""


class _Output:
    """The output of a program, as far as it was read."""

    def __init__(self, transcript: Transcript, dialogue: StreamDialogue | None = None) -> None:
        self.transcript = transcript
        self.dialogue = dialogue
        self.complaints = Complaints()
        self.stayed = False  # it did not exit after its turn, and had to be ended
        self.busy = False  # a part of it is being read
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def news(self) -> "asyncio.Future[None]":
        """A future that is done at the next output."""
        if self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        return self._news

    async def take(self, data: bytes) -> None:
        """Add output."""
        self.busy = True
        await self.transcript.take(data)
        self.busy = False
        if not self._news.done():
            self._news.set_result(None)

    async def silence(self, end: "asyncio.Future[Any]", span_s: float) -> None:
        """Wait until ``end`` is done, or nothing was written for ``span_s``. Time in which output is processed does not
        count. The wait has two halves, as one of them may pass while the event loop is blocked."""
        idle = 0
        while not end.done() and idle < 2:
            more = self.news()
            await asyncio.wait({end, more}, timeout=span_s / 2, return_when=asyncio.FIRST_COMPLETED)
            idle = 0 if more.done() or self.busy else idle + 1


async def _read(child: Child, output: _Output, most: int) -> None:
    """Read the output. If reading stops before its end, end the program, which would wait for a reader forever."""
    try:
        async for data in child.output(most):
            await output.take(data)
            if output.transcript.hopeless:
                child.stop(0)
                return
    except Exception:
        child.stop(0)
        raise


async def _drain(reading: "list[asyncio.Task[None]]", output: _Output) -> None:
    """Wait until the output of a tree that is gone has been read, which may be much."""
    ended = asyncio.ensure_future(asyncio.wait(reading))
    try:
        await output.silence(ended, DRAIN_S)
    finally:
        ended.cancel()
