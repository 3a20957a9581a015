"""The simulated provider beside a test, and the part of a configuration that sends every message to it."""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from lanes.simulate.server import serve
from tests.kit.until import PATIENCE_S

CHAT = """
[[runner]]
name = "chat"
kind = "provider"
providers = ["sim"]
[[provider]]
name = "sim"
dialect = "chat"
base_url = "{url}/v1"
model = "{model}"
"""


def simulated(url: str, model: str = "sim-ok") -> str:
    """One runner, ``chat``, that asks the provider at ``url``."""
    return CHAT.format(url=url, model=model)


@contextlib.contextmanager
def provider_beside(log: Path, tempo: float = 1) -> Iterator[str]:
    """The base URL of a simulated provider on an event loop in a thread of this process."""
    ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def life() -> None:
        stop = asyncio.Event()
        async with serve(tempo=tempo, log=log) as url:
            ready.set_result((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = Thread(target=asyncio.run, args=(life(),), name="provider", daemon=True)
    thread.start()
    url, loop, stop = ready.result(PATIENCE_S)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
