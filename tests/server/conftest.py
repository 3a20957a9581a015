"""A real server on a loopback port, before a real gateway, a real database and the simulated provider."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
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
from lanes_storage.clock import Clock, system_clock
from tests.kit.databases import lay
from tests.kit.serving import client_of, serving
from tests.kit.until import until


@dataclass(slots=True)
class Served:
    """What a test talks to."""

    url: str
    desk: lanes.Desk
    gateway: lanes.Gateway
    simulator: Simulator
    client: httpx.AsyncClient
    stop: asyncio.Event
    serving: asyncio.Task[None]

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        """A POST with a JSON body."""
        return await self.client.post(path, json={} if body is None else body, headers=headers)


Start = Callable[..., Awaitable[Served]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a server; everything is stopped at the end of the test."""
    async with AsyncExitStack() as stack:

        async def begin(
            *,
            policies: Sequence[dict[str, str]] = (),
            drain_timeout: str = "300ms",
            clock: Clock = system_clock,
            providers: Mapping[str, str] | None = None,
            **gateway_settings: Any,
        ) -> Served:
            simulator = Simulator(tempo=20)
            chain = {"sim": await stack.enter_async_context(serve_simulator(simulator=simulator))}
            chain = dict(providers) if providers is not None else chain
            config = from_data(
                {
                    "gateway": {"port": 0, **gateway_settings},
                    "clocks": {"drain_timeout": drain_timeout, "abort_grace": "10m"},
                    "queue": {"cap": 3},
                    "runner": [{"name": "chat", "kind": "provider", "providers": [*chain]}],
                    "provider": [
                        {"name": name, "dialect": "chat", "base_url": url, "model": "sim-echo"}
                        for name, url in chain.items()
                    ],
                    "policy": list(policies),
                },
                env={"TOKEN": "secret"},
            )
            desk = await stack.enter_async_context(lanes.connect(str(lay(tmp_path / "lanes.db")), clock=clock))
            url, gateway, stop, task = await stack.enter_async_context(serving(desk, config))
            client = await stack.enter_async_context(client_of(url))
            return Served(url, desk, gateway, simulator, client, stop, task)

        yield begin


@pytest.fixture
async def served(start: Start) -> Served:
    return await start()


async def running(served: Served, key: str) -> int:
    """The epoch of a lane, once it is held."""

    async def held() -> list[Lane]:
        return [lane for lane in await served.desk.lanes() if lane.key == key and lane.run_id is not None]

    return (await until(held, f"{key} to be held"))[0].epoch


async def drain_is_noted(served: Served) -> None:
    """Wait until the drain of a gateway that is told to stop stands in its row."""

    async def noted() -> bool:
        return any(gateway.draining for gateway in (await served.desk.status()).gateways)

    await until(noted, "the drain")


async def drain_is_over(served: Served) -> None:
    """Cut what still runs, although the gateway was ready to wait for longer."""
    await served.desk.drain(by="the test", until=served.desk.clock().wall)
