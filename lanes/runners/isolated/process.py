"""The process of one run: ``python -m lanes.runners.isolated.process TARGET FOLDER``.

It loads the target, waits for its run, calls the target with it, and reports how that ended. The target's output goes
to standard error. SIGTERM cancels an async function, and ends the process of a plain one at once. With ``--check`` it
only loads the target.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from lanes.base import arguments
from lanes.base.errors import ConfigError, RunError, RunParked, Unfit, failure_of_error
from lanes.base.sentences import chain_of
from lanes.conversations.turns import ALL_CHARACTERS, chat_messages, exchanges
from lanes.runners import python
from lanes.runners.base import QUESTION_LIMIT_S, Delta, Inbox, Reply, Runner, Turn, permitted, to_delta
from lanes.runners.current import CURRENT, Current
from lanes.runners.isolated.wire import Answer, Job, read
from lanes_storage.clock import system_clock
from lanes_storage.law import Cause
from lanes_storage.records import AttemptPhase, HandedText


class GatewayLine:
    """The gateway, as the process of a run reaches it. From any thread."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()
        self._pending: dict[int, Future[Any]] = {}
        self._count = 0

    def job(self) -> Job | None:
        """Wait for the run. None: there will be none."""
        line = self._reader.readline()
        return read(line) if line else None

    def listen(self) -> None:
        """Take the answers, in a separate thread, until the gateway is gone."""
        for line in self._reader:
            answer: Answer = read(line)
            if (pending := self._pending.pop(answer.ask, None)) is not None:  # it may be dropped as it is answered
                pending.set_exception(answer.error) if answer.error is not None else pending.set_result(answer.value)

    def send(self, **fields: Any) -> None:
        """Send a message to the gateway. Raises Unfit if it cannot be sent."""
        line = arguments.json_text(fields, "what is sent to the gateway").encode() + b"\n"
        with self._lock, contextlib.suppress(OSError):  # it is gone: the keeper ends this process
            self._writer.write(line)
            self._writer.flush()

    def call(self, name: str, *args: Any) -> None:
        """Call a method of the run that returns nothing."""
        self.send(call=name, args=args)

    def request(self, name: str, *args: Any) -> "AwaitedAnswer":
        """Call a method of the run that returns something."""
        with self._lock:
            self._count += 1
            pending = AwaitedAnswer(self, self._count)
            self._pending[self._count] = pending.answer
        self.send(call=name, args=args, ask=pending.number)
        return pending


class AwaitedAnswer:
    """An answer of the gateway that is still to come."""

    def __init__(self, gateway: GatewayLine, number: int) -> None:
        self.number = number
        self.answer = Future[Any]()
        self._gateway = gateway

    async def result(self) -> Any:
        """The answer. If its caller is cancelled, the gateway is told so: it then answers None, unless it has answered
        before."""
        result = Future[Any]()  # of this event loop, which may end before the answer comes

        def give(answer: Future[Any]) -> None:
            with contextlib.suppress(InvalidStateError):  # nobody waits any more
                error = answer.exception()
                result.set_result(answer.result()) if error is None else result.set_exception(error)

        self.answer.add_done_callback(give)
        try:
            return await asyncio.wrap_future(result)
        except asyncio.CancelledError:
            self._gateway.send(drop=self.number)
            raise


class RemoteRun:
    """The run of another process, as the runner of this one sees it: a ``RunContext``."""

    def __init__(self, job: Job, gateway: GatewayLine) -> None:
        self.key, self.id, self.epoch = job.key, job.id, job.epoch
        self.message, self.text, self.request = job.message, job.text, job.request
        self._gateway = gateway
        self._abandoned = deque[AwaitedAnswer]()  # requests for texts whose callers were cancelled

    async def history(self, turns: int) -> list[Turn]:
        return exchanges(await self.recall(turns, ALL_CHARACTERS))

    async def conversation(self, turns: int = 20) -> list[dict[str, Any]]:
        return chat_messages(await self.recall(turns, ALL_CHARACTERS), self.text, tools=True)

    async def recall(self, turns: int, characters: int) -> list[Turn]:
        found: list[Turn] = await self._gateway.request("recall", turns, characters).result()
        return found

    async def tell_from(self, turn: int | None) -> None:
        await self._gateway.request("tell_from", turn).result()

    async def ask(
        self, question: str, *, timeout: float = QUESTION_LIMIT_S, options: Sequence[str] = (), permission: bool = False
    ) -> str:
        arguments.question(question, timeout, options, permission)
        answer: str = await self._gateway.request("ask", question, timeout, list(options), permission).result()
        return answer

    async def permit(self, what: str, *, timeout: float = QUESTION_LIMIT_S) -> bool:
        return await permitted(self, what, timeout)

    def inbox(self) -> Inbox:
        return Inbox(self._steer)

    async def _steer(self) -> HandedText:
        """The next text. One that arrived just as its caller was cancelled goes to the next caller."""
        handed: HandedText | None = None
        while handed is None:
            pending = self._abandoned.popleft() if self._abandoned else self._gateway.request("steer")
            try:
                handed = await pending.result()
            except asyncio.CancelledError:
                self._abandoned.append(pending)
                raise
        return handed

    def progress(self, what: str) -> None:
        self._gateway.call("progress", arguments.text(what, "progress"))

    def busy(self, seconds: float, what: str = "busy") -> None:
        arguments.span_ms(seconds, "busy")
        self._gateway.call("busy", seconds, arguments.text(what, "what it is busy with"))

    def spent(self, usage: dict[str, Any] | None, cost_usd: float | None = None) -> None:
        self._gateway.call("spent", usage, arguments.amount_or_none(cost_usd, "cost_usd"))

    def attempt(self, phase: AttemptPhase | None) -> None:
        self._gateway.call("attempt", None if phase is None else list(arguments.attempt_phase(phase)))

    def emit(self, *pieces: Delta | str) -> None:
        self._gateway.call("emit", *(list(to_delta(piece)) for piece in pieces))

    @property
    def reached_caller(self) -> bool:
        return bool(self._gateway.request("reached_caller").answer.result())

    def discard(self) -> None:
        self._gateway.call("discard")


def main(target: str, folder: str, *, check: bool = False) -> None:
    """Load the target, and run it once."""
    gateway = GatewayLine(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)  # what the target prints is not for the gateway
    try:
        runner = python.load(target, Path(folder), threads=True)
    except ConfigError as error:
        sys.exit(str(error))
    if check or (job := gateway.job()) is None:
        return
    os.environ["LANES_RUN_ID"] = str(job.id)
    threading.Thread(target=gateway.listen, name="lanes-gateway", daemon=True).start()
    gateway.send(**asyncio.run(_run(runner, RemoteRun(job, gateway), job)))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the gateway ends it now: let it exit in order
    logging.shutdown()


async def _run(runner: Runner, run: RemoteRun, job: Job) -> dict[str, Any]:
    """Run the target to its end, and return how it ended."""
    CURRENT.set(Current(job.database, job.id))
    body = asyncio.ensure_future(runner(run))
    if not isinstance(runner, python.ThreadRunner):  # a thread cannot be cancelled
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, body.cancel)
    try:
        return _replied(await body)
    except BaseException as error:  # of any kind: the process must report how its run ended
        failure = failure_of_error(error)
        chain = [list(each) for each in failure.attempts]
        if isinstance(error, RunParked):
            return {"parked": [arguments.until_ms(error.until, system_clock()), failure.message, chain]}
        if failure.cause is Cause.RUNNER_FAILED and not isinstance(error, RunError | asyncio.CancelledError):
            traceback.print_exception(error)
        return {"failed": [failure.cause, failure.message, chain]}


def _replied(result: object) -> dict[str, Any]:
    if isinstance(result, Reply):
        reply = asdict(result) | {"attempts": [list(each) for each in chain_of(result.attempts)]}
        arguments.json_text(reply, "what stands in the Reply")
        return {"reply": reply}
    if not isinstance(result, str):
        raise Unfit(f"the runner returned {type(result).__name__}, neither a str nor a Reply")
    return {"reply": {"text": result}}


if __name__ == "__main__":
    main(*sys.argv[1:3], check="--check" in sys.argv[3:])
