"""A simulated provider on a real socket, and the client that talks to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lanes.runners.http.client import HttpClient
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve
from tests.kit.databases import new_async_store
from tests.runners.chains import HandClock, House
from tests.runners.simulated import Simulated


@pytest.fixture
async def sim() -> AsyncIterator[Simulated]:
    simulator = Simulator(tempo=10, seed=1)
    async with serve(simulator=simulator) as url:
        yield Simulated(simulator, url)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def client(clock: HandClock) -> AsyncIterator[HttpClient]:
    made = HttpClient(lambda: clock().mono / 1000)
    yield made
    await made.aclose()


@pytest.fixture
async def house(sim: Simulated, client: HttpClient, clock: HandClock, tmp_path: Path) -> AsyncIterator[House]:
    store = await new_async_store(tmp_path / "lanes.db")
    yield House(sim, client, store, clock)
    await store.close()
