"""A simulated provider on a real socket, and the client that talks to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from lanes.runners.http.client import HttpClient
from lanes.simulate.app import Simulator
from lanes.simulate.server import serve


@dataclass(frozen=True, slots=True)
class Simulated:
    """The simulated provider, and where it listens."""

    simulator: Simulator
    url: str


@pytest.fixture
async def sim() -> AsyncIterator[Simulated]:
    simulator = Simulator(tempo=10, seed=1)
    async with serve(simulator=simulator) as url:
        yield Simulated(simulator, url)


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    made = HttpClient()
    yield made
    await made.aclose()
