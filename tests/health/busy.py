"""A busy hour in moved time, before a provider that limits its requests, and whose answers take long."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import NamedTuple

from lanes.config import from_data
from lanes.desk import connect
from lanes.testing import gateway
from lanes.testing.passing import LONGEST_STEP_MS, Passer, restless
from tests.health.conftest import Sim
from tests.health.moments import NightClock
from tests.kit.databases import lay
from tests.kit.rawserver import DONE, STREAM, Call, chunk, raw_server
from tests.kit.until import until


@dataclass
class Busy:
    """A provider: an answer begins after a second and takes ``takes_s``; so many are answered ``at_once``, or begin in
    a minute of which it tells the end; and the requests of these numbers are refused."""

    takes_s: float
    at_once: int = 10_000
    a_minute: int = 10_000
    odd: tuple[int, ...] = ()
    now: int = 0
    asked: int = 0
    refused: int = 0
    answered: list[float] = field(default_factory=list)
    minutes: Counter[int] = field(default_factory=Counter)
    clock: NightClock = field(default_factory=NightClock)

    async def __call__(self, call: Call) -> None:
        began = self.clock.seconds()
        self.asked += 1
        minute = int(began // 60)
        full = self.minutes[minute] >= self.a_minute
        if full or self.now >= self.at_once or self.asked in self.odd:
            self.refused += 1
            wait = f"retry-after: {ceil(60 * (minute + 1) - began)}\r\n" if full else ""
            refusal = f"HTTP/1.1 429 Too Many Requests\r\n{wait}content-length: 0\r\nconnection: close\r\n\r\n"
            await call.say(refusal.encode())
            return
        self.minutes[minute] += 1
        self.now += 1
        try:
            await self.clock.until(began + 1)
            await call.say(STREAM, chunk("yes"))
            await self.clock.until(began + self.takes_s)
            await call.say(chunk(finish="stop"), DONE)
            self.answered.append(self.clock.seconds())
        finally:
            self.now -= 1


class Hour(NamedTuple):
    """What came of it: how many were sent, and done; and when the last answer came."""

    sent: int
    done: int
    lasted_s: float


async def hour(
    busy: Busy,
    sendings: Iterable[tuple[float, str]],
    folder: Path,
    step_ms: int = LONGEST_STEP_MS,
    models: Iterable[str] = ("sim-ok",),
) -> Hour:
    """Send messages at their times, each to its lane, and wait until all have ended. A gateway for each model asks."""
    clock = busy.clock
    async with AsyncExitStack() as ending:
        url = await ending.enter_async_context(raw_server(busy))
        base = Sim(None, url)  # type: ignore[arg-type]
        configs = [from_data(base.config({"model": model}, max_park="1h"), env={}) for model in models]
        path = str(lay(folder / "lanes.db"))
        desk = await ending.enter_async_context(connect(path, config=configs[0], clock=clock))
        running = [await ending.enter_async_context(gateway(config=config, desk=desk)) for config in configs]
        passers, left, sent = [Passer(each._engine) for each in running], list(sendings)[::-1], []
        for passer in passers:
            ending.enter_context(restless(passer.upkeep))
        while left or (counts := (await desk.status()).counts).messages.queued or counts.lanes["running"]:
            assert clock.seconds() < 3_600, "some messages never end"
            clock.move(step_ms)
            while left and left[-1][0] <= clock.seconds():
                sent.append(await desk.send(left.pop()[1], "hello"))
            for passer in passers:
                await passer.meets()
            await until(lambda: sum(each.held for each in running) == busy.now, "the runs to ask it, or to end")
        ended = [await desk.message(message.id) for message in sent]
        return Hour(len(sent), sum(each.state == "done" for each in ended), busy.answered[-1])


def evenly(a_second: float, seconds: int) -> Iterator[tuple[float, str]]:
    """Messages in so many seconds, each to a separate lane."""
    return ((number / a_second, f"lane:{number}") for number in range(int(a_second * seconds)))
