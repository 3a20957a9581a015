"""A program that embeds lanes and misbehaves in every way there is, one after another, then dies without closing.

    python embedder.py DATABASE SEED

After each it asks for what must still work: another message is answered, another hold is held, the process is still
an owner. Where one of these fails it ends with 1 and says so; where all hold it dies with ``DIED``, in the middle of a
run, of a hold and of a block that swallows its cancellation. SEED 0: a part of them, in their order.
"""

import asyncio
import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any, cast

import lanes
from lanes import Reply, RunContext, RunFailed, RunParked
from lanes.config import from_data
from lanes.runners.base import RunnerSpec
from lanes_storage import doors
from lanes_storage.law import RunnerKind

DIED = 42
#: One of so many is done where there is little time.
FEWER = 4
#: Never a measure of speed: what takes so long does not come.
PATIENCE_S = 90.0
RUNNER = "odd"
#: All lanes are for a runner that this process does not have: it takes only what names its own.
CONFIG = {
    "clocks": {"heartbeat_interval": "200ms", "stale_after": "20s", "reconcile_interval": "200ms"},
    "runner": [{"name": "elsewhere", "kind": "python", "target": "elsewhere:run"}],
    "policy": [{"match": "*", "runner": "elsewhere"}],
}


class Speechless(Exception):
    """Can not even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Nameless(Exception):
    """Has a text that no database takes."""

    def __str__(self) -> str:
        return "\ud800 \x00 \x1b[31m" + "long " * 10_000


def _raise(error: BaseException) -> Callable[[RunContext], Any]:
    def act(run: RunContext) -> Any:
        raise error

    return act


def _return(value: Any) -> Callable[[RunContext], Any]:
    return lambda run: value


def _call(method: str, *arguments: Any) -> Callable[[RunContext], Any]:
    """A call with arguments that make no sense, whose error goes its way; then half a second in which it beats."""

    async def act(run: RunContext) -> Any:
        getattr(run, method)(*arguments)
        await asyncio.sleep(0.5)
        return run.text

    return act


def _block(run: RunContext) -> Any:
    time.sleep(1)
    return run.text


async def _swallow(run: RunContext) -> Any:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


async def _wait(run: RunContext) -> Any:
    await asyncio.sleep(3600)


def _odd(kind: type[Exception], *arguments: Any) -> Callable[[RunContext], Any]:
    """An error of lanes that is made of anything at all: the making may fail as well."""

    def act(run: RunContext) -> Any:
        raise kind(*arguments)

    return act


def _park(until: Any) -> Callable[[RunContext], Any]:
    """Wait for something first, and answer then."""
    parked = set()

    def act(run: RunContext) -> Any:
        if run.message.id in parked:
            return run.text
        parked.add(run.message.id)
        raise RunParked(until, "later")

    return act


#: What a runner does, by the word that its message begins with.
ACTS: dict[str, Callable[[RunContext], Any]] = {
    "plain": lambda run: run.text,
    "word-of-its-own": _odd(RunFailed, "tool_missing", "the tool is missing"),
    "cause-of-another-type": _odd(RunFailed, 7, "seven"),
    "cause-with-spaces": _odd(RunFailed, "no such cause!", "x"),
    "error-as-message": _odd(RunFailed, "runner_failed", ValueError("inner")),
    "parked-for-half-a-second": _park(0.5),
    "parked-until-the-past": _park(-1e300),
    "parked-until-nothing": _park(None),
    "speechless": _raise(Speechless()),
    "nameless": _raise(Nameless()),
    "group": _raise(BaseExceptionGroup("several", [ValueError("one"), asyncio.CancelledError()])),
    "cancels-itself": _raise(asyncio.CancelledError()),
    "generator-exit": _raise(GeneratorExit()),
    "bytes": _return(b"bytes"),
    "nothing": _return(None),
    "a-class": _return(Reply),
    "reply-of-bytes": _return(Reply(cast("str", b"bytes"))),
    "reply-with-objects": _return(Reply("x", usage={"tokens": object()})),
    "half-a-character": _return("\ud800 half"),
    "progress-of-bytes": _call("progress", b"bytes"),
    "progress-of-half-a-character": _call("progress", "\ud800"),
    "busy-for-no-number": _call("busy", math.nan),
    "busy-for-ever": _call("busy", 1e300),
    "busy-with-bytes": _call("busy", 1, b"bytes"),
    "emits-nothing": _call("emit", None),
    "emits-bytes": _call("emit", b"bytes"),
    "blocks": _block,
    "swallows": _swallow,
    "waits": _wait,
}
#: Left out of what is done one after another: these come at the end, or have a check of their own.
LATER = {"plain", "swallows", "waits"}
LIMITS: list[dict[str, Any]] = [
    {"run_timeout": limit} for limit in (sys.maxsize, 1e300, 0, -1, math.nan, "5", b"5", True, object())
] + [{"stall_timeout": sys.maxsize}, {"run_timeout": 1, "stall_timeout": 2}, {"timeout": -1}, {"timeout": math.nan}]


async def runner(run: RunContext) -> Any:
    """Does what the first word of its text says."""
    done = ACTS[run.text.split()[0]](run)
    return await done if isinstance(done, Awaitable) else done


class Embedder:
    """The desk and its gateway, and what is asked of them."""

    def __init__(self, desk: lanes.Desk, seed: str) -> None:
        self._desk = desk
        self._prefix = f"odd:{seed}-{os.getpid()}"
        self._number = 0

    async def do_everything(self, luck: Random | None) -> None:
        """Each misbehaviour, and after each what must work."""
        deeds: list[tuple[str, Callable[[], Awaitable[Any]]]] = []
        deeds += [(act, partial(self._run, act)) for act in ACTS if act not in LATER]
        deeds += [(f"hold {limits}", partial(self._hold, limits)) for limits in LIMITS]
        deeds += [("swallowed abort", self._swallowed_abort), ("fork", self._fork), ("listener", self._listener)]
        if luck is None:
            deeds = deeds[::FEWER]
        else:
            luck.shuffle(deeds)
        for name, deed in deeds:
            sys.stderr.write(f"{name}\n")
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await deed()
                    await self._all_works()
            except TimeoutError:
                raise AssertionError(f"after {name!r} something does not come any more") from None

    async def die(self) -> None:
        """Leave runs and holds behind, and end without a word."""
        for act in ("waits", "swallows"):
            await self._desk.send(self._key(), f"{act} at the end", runner=RUNNER)
        async with self._desk.hold(self._key()):
            os._exit(DIED)

    def _key(self) -> str:
        self._number += 1
        return f"{self._prefix}:{self._number}"

    async def _all_works(self) -> None:
        text = f"plain {self._number}"
        message = await self._desk.ask(self._key(), text, runner=RUNNER)
        assert (message.state, message.reply) == ("done", text), message
        async with self._desk.hold(self._key()) as run:
            run.progress("held")

    async def _run(self, act: str) -> None:
        """Once the act is over, the lane takes the next message, however the first one ended."""
        key = self._key()
        odd = await self._desk.send(key, act, runner=RUNNER)
        plain = await self._desk.send(key, f"plain after {act}", runner=RUNNER)
        ended = await self._desk.wait(plain.id)
        assert ended.state == "done", ended
        assert (await self._desk.message(odd.id)).ended_at is not None, odd
        await self._desk.detail(key)
        await self._desk.lanes()

    async def _hold(self, limits: dict[str, Any]) -> None:
        with contextlib.suppress(TypeError, ValueError, OverflowError, TimeoutError, lanes.LanesError):
            async with self._desk.hold(self._key(), **limits):
                await asyncio.sleep(0)

    async def _swallowed_abort(self) -> None:
        key = self._key()
        odd = await self._desk.send(key, "swallows", runner=RUNNER)
        while (await self._desk.message(odd.id)).state == "queued":
            await asyncio.sleep(0.01)
        outcome = await self._desk.abort(key, actor="embedder", grace_ms=100)
        assert outcome.outcome in ("forced", "released"), outcome
        message = await self._desk.ask(key, "plain after it", runner=RUNNER)
        assert message.state == "done", message

    async def _fork(self) -> None:
        """A child that uses the desk gets an error; what it closes and leaves open harms nobody."""
        child = os.fork()
        if child == 0:
            signal.alarm(int(PATIENCE_S / 2))  # what hangs is ended, and noticed
            try:
                self._desk.store.write_blocking(doors.touch)
            except Exception:
                os._exit(0)
            os._exit(1)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, f"a forked child: {os.waitstatus_to_exitcode(status)}"

    async def _listener(self) -> None:
        """Somebody listens to commits, and raises."""

        def raises() -> None:
            raise RuntimeError("a listener that raises")

        self._desk.store.on_commit(raises)


async def main(database: str, seed: str) -> None:
    """Misbehave, then die."""
    config = from_data(CONFIG)
    async with lanes.connect(database, create=False, config=config) as desk:
        spec = RunnerSpec(RUNNER, RunnerKind.PYTHON, runner, 16)
        async with lanes.Gateway(desk, specs={RUNNER: spec}, config=config):
            embedder = Embedder(desk, seed)
            await embedder.do_everything(Random(seed) if seed != "0" else None)
            await embedder.die()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
