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
from lanes.runners.build import build_specs
from lanes.server.serve import bind, serve
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve as serve_simulator
from lanes_storage.clock import Clock, system_clock
from tests.kit.databases import lay
from tests.kit.until import PATIENCE_S, until


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
            listener = bind(config)
            desk = await stack.enter_async_context(lanes.connect(str(lay(tmp_path / "lanes.db")), clock=clock))
            specs = build_specs(config, desk.store, desk.clock)
            stack.push_async_callback(specs.aclose)
            gateway = lanes.Gateway(desk, specs=specs, config=config)
            stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
            serving = asyncio.create_task(
                serve(gateway, config, listener, on_ready=url.set_result, stop=stop, signals=False)
            )

            async def end() -> None:
                stop.set()
                await serving

            stack.push_async_callback(end)
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=await url, timeout=PATIENCE_S))
            return Served(url.result(), desk, gateway, simulator, client, stop, serving)

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
