"""The engines that the suite runs against, and a world on each.

An engine is a name and a way to make an empty database of it; PostgreSQL joins by one more entry in ENGINES.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from lanes.testing import Hands, broken
from lanes_storage import AsyncStore, Store, open_async_store, open_store
from tests.kit.world import World

#: From a folder of the test's own to the URL of a database that does not exist yet.
ENGINES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/lanes.db",
}


@pytest.fixture(params=sorted(ENGINES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is not there yet, for each engine."""
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def time() -> Hands:
    """The time, which stands still until it is moved."""
    return Hands()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A new database. Whatever a test did to it, every invariant holds at its end."""
    made = open_store(url, create=True)
    yield made
    made.close()
    again = open_store(url)
    try:
        assert broken(again) == []
    finally:
        again.close()


@pytest.fixture
def world(store: Store, time: Hands) -> World:
    """A new database with one owner in it."""
    return World(store, time)


@pytest.fixture
async def astore(url: str) -> AsyncIterator[AsyncStore]:
    """A new database as an event loop uses it."""
    made = await open_async_store(url, create=True)
    yield made
    await made.close()
