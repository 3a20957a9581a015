"""A real file, seen by a test through a world and by the engine through an event loop's store."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lanes.testing import Hands, broken
from lanes_storage import AsyncStore, Store, open_async_store
from tests.kit.databases import new_store
from tests.kit.world import World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "lanes.db"


@pytest.fixture
def time() -> Hands:
    """The time, which stands still until it is moved."""
    return Hands()


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """The database. Whatever the engine did to it, every invariant holds at the end."""
    made = new_store(path)
    yield made
    assert broken(made) == []
    made.close()


@pytest.fixture
def world(store: Store, time: Hands) -> World:
    """The database with hands."""
    return World(store, time)


@pytest.fixture
async def astore(store: Store, path: Path) -> AsyncIterator[AsyncStore]:
    """The same database as an event loop uses it."""
    made = await open_async_store(str(path))
    yield made
    await made.close()
