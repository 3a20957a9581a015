"""HTTP before a database, with a gateway behind it that claims nothing: what is staged stays as it was staged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import lanes
from lanes.config import from_data
from lanes.desk import Desk
from lanes.server.app import App
from lanes.server.asgi.sockets import Server
from lanes.server.listening import url_of
from lanes.server.serve import bind
from lanes.server.state.app_state import AppState
from lanes_storage import open_async_store
from lanes_storage.clock import Clock, system_clock


async def _never(run: lanes.RunContext) -> str:
    raise AssertionError("nothing is run here")


@asynccontextmanager
async def counter(path: Path, clock: Clock = system_clock, port: int = 0, **settings: Any) -> AsyncIterator[str]:
    """The address of the native API before that database; ``settings`` are sections of its configuration."""
    config = from_data({"gateway": {"port": port}, **settings}, env={})
    listener = bind(config)
    desk = Desk(await open_async_store(str(path), create=False), clock)
    app_state = AppState(lanes.Gateway(desk, _never, config=config), config)
    server = Server(App(app_state))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield url_of(listener)
    finally:
        app_state.close()
        server.stop()
        with suppress(asyncio.CancelledError):
            await serving
        listener.close()
        await desk.close()
