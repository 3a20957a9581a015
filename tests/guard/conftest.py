"""A real gateway with a source before a real provider: the simulated one, or one that a test writes by hand."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import lanes
from lanes.config import from_data
from lanes.records import Lane
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve as serve_simulator
from tests.kit.databases import lay
from tests.kit.serving import client_of, serving
from tests.kit.until import until

TOKEN = "token-of-the-source"


@dataclass(slots=True)
class Guarded:
    """What a test talks to."""

    url: str
    path: Path
    desk: lanes.Desk
    gateway: lanes.Gateway
    simulator: Simulator
    client: httpx.AsyncClient
    stop: asyncio.Event

    @property
    def base(self) -> str:
        """The address that a program is told."""
        return f"{self.url}/g/bot/{TOKEN}/v1"

    async def running(self, start: str = "bot:") -> Lane:
        """A lane of the source that is held."""

        async def held() -> list[Lane]:
            return [lane for lane in await self.desk.lanes() if lane.key.startswith(start) and lane.run_id is not None]

        return (await until(held, "a request to be held"))[0]

    async def free(self) -> None:
        """Wait until no lane is held."""

        async def none() -> bool:
            return not any(lane.run_id is not None for lane in await self.desk.lanes())

        await until(none, "every lane to be released")

    async def messages(self) -> list[dict[str, Any]]:
        """Every message, oldest first, as JSON."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            ids = [row[0] for row in connection.execute("SELECT id FROM messages ORDER BY id")]  # of child lanes, too
        return [(await self.desk.message(each)).to_json() for each in ids]


Guard = Callable[..., Awaitable[Guarded]]


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    """Starts a gateway; everything is stopped at the end of the test."""
    async with AsyncExitStack() as stack:

        async def begin(
            base_url: str | None = None,
            *,
            source: Mapping[str, Any] | None = None,
            provider: Mapping[str, Any] | None = None,
            client_key: bool = True,
            **sections: Any,
        ) -> Guarded:
            simulator = Simulator(tempo=20)
            behind = base_url or await stack.enter_async_context(serve_simulator(simulator=simulator))
            theirs = {"api_key": "client"} if client_key else {}
            config = from_data(
                {
                    "gateway": {"port": 0, **sections.pop("gateway", {})},
                    "clocks": {"drain_timeout": "300ms", "abort_grace": "10m"},
                    "provider": [{"name": "real", "base_url": behind, **theirs, **(provider or {})}],
                    "source": [{"name": "bot", "provider": "real", "token_env": "BOT", **(source or {})}],
                    **sections,
                },
                env={"BOT": TOKEN, "KEY": "sk-of-lanes-itself", "TOKEN": "token-of-the-gateway"},
            )
            path = lay(tmp_path / "lanes.db")
            desk = await stack.enter_async_context(lanes.connect(str(path)))
            url, gateway, stop, _ = await stack.enter_async_context(serving(desk, config))
            client = await stack.enter_async_context(client_of())
            return Guarded(url, path, desk, gateway, simulator, client, stop)

        yield begin
