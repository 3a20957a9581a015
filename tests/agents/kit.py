"""A gateway in this process with command runners, on a real file and with the clocks of the machine."""

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lanes import Message, connect
from lanes.config import from_data
from lanes.desk import Desk
from lanes.gateway import Gateway
from lanes.runners.build import build_specs
from lanes.runners.command.memory import AgentMemory
from tests.kit.databases import lay
from tests.kit.until import until

PROGRAMS = Path(__file__).with_name("programs")


def program(name: str, *words: str) -> list[str]:
    """The argument vector of one of the programs beside this file."""
    return [sys.executable, "-I", "-S", str(PROGRAMS / f"{name}.py"), *words]


@dataclass
class Site:
    """A desk and a gateway whose runner is a program."""

    desk: Desk
    gateway: Gateway

    async def ask(self, text: str = "hello", key: str = "agent:main:test") -> Message:
        """Send a text, and wait for the end of its message."""
        sent = await self.desk.send(key, text)
        return await self.desk.wait(sent.id)


@asynccontextmanager
async def commanded(
    folder: Path,
    argv: list[str],
    *,
    clocks: dict[str, str] | None = None,
    queue: dict[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Site]:
    """A gateway whose only runner, ``coder``, starts this program; ``more`` are its other settings."""
    runner = {"name": "coder", "kind": "command", "argv": argv, **more}
    async with configured(folder, runner, clocks=clocks, queue=queue) as site:
        yield site


async def asked(site: Site, key: str = "agent:main:test") -> str:
    """The permission that the run of a lane asks for, once it does."""

    async def asks() -> bool:
        return (await site.desk.lane(key)).question is not None

    await until(asks, "the question")
    question = (await site.desk.lane(key)).question
    assert question is not None
    assert question.permission
    return question.text


@asynccontextmanager
async def configured(
    folder: Path,
    runner: dict[str, Any],
    *,
    clocks: dict[str, str] | None = None,
    queue: dict[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Site]:
    """A gateway with this runner only."""
    data = {"runner": [runner], "clocks": clocks or {}, "queue": queue or {}, **more}
    config = from_data(data, env={}, cwd=folder)
    async with connect(str(lay(folder / "lanes.db")), config=config) as desk:
        memory = AgentMemory(desk.store)
        async with aclosing(build_specs(config, desk.store, desk.clock, memory)) as specs:
            gateway = Gateway(desk, specs=specs, config=config)
            await gateway.start()
            try:
                await until(lambda: gateway.ready, "the first reconcile pass")
                yield Site(desk, gateway)
            finally:
                await gateway.stop()
