"""A gateway in this process, served over HTTP on a loopback port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import httpx

import lanes
from lanes.config import Config
from lanes.runners.base import Runner
from lanes.runners.build import build_specs
from lanes.server.serve import bind, serve
from tests.kit.until import PATIENCE_S


class Serving(NamedTuple):
    """It listens at ``url``; ``stop`` ends it, and with it ``task``."""

    url: str
    gateway: lanes.Gateway
    stop: asyncio.Event
    task: asyncio.Task[None]


def client_of(url: str = "") -> httpx.AsyncClient:
    """Asks it. No certificates are read: that would take longer than most tests, and nothing here is encrypted."""
    return httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, verify=False)


@asynccontextmanager
async def serving(desk: lanes.Desk, config: Config, runner: Runner | None = None) -> AsyncIterator[Serving]:
    """Serve until the end of the block, with that runner, or else those of the configuration."""
    async with AsyncExitStack() as ending:
        if runner is None:
            specs = build_specs(config, desk.store, desk.clock)
            ending.push_async_callback(specs.aclose)
            gateway = lanes.Gateway(desk, specs=specs, config=config)
        else:
            gateway = lanes.Gateway(desk, runner, config=config)
        stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve(gateway, config, bind(config), on_ready=url.set_result, stop=stop, signals=False)
        )
        try:
            yield Serving(await url, gateway, stop, task)
        finally:
            stop.set()
            await task
