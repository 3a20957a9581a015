"""A gateway whose time a test moves, before a simulated provider that speaks HTTP on a real socket."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lanes.desk import Desk
from lanes.records import Message
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve
from lanes.testing import TimedGateway, gateway
from tests.kit.databases import lay
from tests.kit.ports import kept_port
from tests.kit.until import until

#: How many steps of moved time a test waits for something at most.
MOST_STEPS = 2_000


@dataclass(frozen=True, slots=True)
class Sim:
    """The simulated provider, and where it listens."""

    simulator: Simulator
    url: str

    @property
    def texts(self) -> list[str]:
        """What it was asked, in order."""
        return [seen.text for seen in self.simulator.requests]

    def config(self, *providers: dict[str, Any], **clocks: str) -> dict[str, Any]:
        """The tables of a file: providers of which each may change what holds for all of them."""
        made = [
            {"name": name, "base_url": self.url, "model": "sim-ok", **each}
            for name, each in zip(("first", "second", "third"), providers or ({},), strict=False)
        ]
        runner = {"name": "chat", "kind": "provider", "providers": [each["name"] for each in made], "history": 0}
        return {"provider": made, "runner": [runner], "clocks": clocks}


@dataclass(slots=True)
class Night:
    """A gateway that runs, and what a test does with it."""

    gateway: TimedGateway

    @property
    def desk(self) -> Desk:
        return self.gateway.desk

    async def send(self, key: str, *texts: str) -> list[Message]:
        """Have messages accepted."""
        return [await self.desk.send(key, text) for text in texts]

    async def calm(self) -> None:
        """Let what can be claimed begin, and wait, by a real clock, until no run is left."""
        await self.gateway.advance(0)
        await until(lambda: self.gateway.held == 0, "the runs to end")

    async def passes(self, span: str | float = 1) -> None:
        """Let what runs end, let time pass, and let end what began meanwhile."""
        await self.gateway.advance(span)
        await self.calm()

    def in_line(self, provider: str) -> list[str]:
        """The lanes whose runs wait for a place at a provider."""
        waits = f"waiting for its turn at provider {provider}"
        return [run.key for run in self.gateway._engine._live.all() if run.sign().progress == waits]

    async def states(self, messages: list[Message]) -> list[str]:
        """How they stand."""
        return [str((await self.desk.message(message.id)).state) for message in messages]

    async def until_ended(self, messages: list[Message], step: str | float = 1) -> list[Message]:
        """Let time pass until all of them have ended."""
        for _ in range(MOST_STEPS):
            await self.calm()
            found = [await self.desk.message(message.id) for message in messages]
            if all(message.ended_at is not None for message in found):
                return found
            await self.gateway.advance(step)
        raise AssertionError(f"they wait still: {[message for message in found if message.ended_at is None][:3]}")

    async def cause_of(self, message: Message) -> list[str]:
        """The causes of the attempts of a message that failed."""
        error = (await self.desk.message(message.id)).error
        return [] if error is None else [attempt.cause for attempt in error.attempts]


@asynccontextmanager
async def night(config: dict[str, Any], path: Path | None = None, desk: Desk | None = None) -> AsyncIterator[Night]:
    """A gateway on a new database, or on that of a desk."""
    place = None if path is None else lay(path / "lanes.db")
    async with gateway(config=config, path=place, desk=desk) as running:
        yield Night(running)


@pytest.fixture
async def sim() -> AsyncIterator[Sim]:
    """A simulated provider that is there."""
    simulator = Simulator(tempo=50, seed=1)
    async with serve(simulator=simulator) as url:
        yield Sim(simulator, url)


@asynccontextmanager
async def there(port: int) -> AsyncIterator[Sim]:
    """A simulated provider at a port where nothing was until now."""
    simulator = Simulator(tempo=50, seed=1)
    async with serve(port, simulator=simulator) as url:
        yield Sim(simulator, url)


@pytest.fixture
def away() -> Iterator[Sim]:
    """The address of a provider that is not there; ``there`` brings it."""
    with kept_port() as port:
        yield Sim(Simulator(), f"http://127.0.0.1:{port}/v1")
