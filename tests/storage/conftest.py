"""The engines that the suite runs against, and a world on each.

An engine is a name, a place for a database of it and a way to lay an empty one there; PostgreSQL joins by one more
entry in ENGINES.
"""

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lanes.testing import Hands, broken
from lanes_storage import AsyncStore, Store, open_async_store, open_store
from lanes_storage.errors import StorageError
from tests.kit.databases import lay
from tests.kit.world import World
from tests.storage.of_0_1_0 import FIXTURE


class Engine(NamedTuple):
    """What the suite must know of an engine."""

    url: Callable[[Path], str]  # from a folder of the test's own to the URL of a database that is not there yet
    lay: Callable[[Path], object]  # lays an empty database where that URL points


ENGINES = {
    "sqlite": Engine(lambda folder: f"sqlite:///{folder}/lanes.db", lambda folder: lay(folder / "lanes.db")),
}


@pytest.fixture(params=sorted(ENGINES), scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    return ENGINES[request.param]


@pytest.fixture
def url(engine: Engine, tmp_path: Path) -> str:
    """The URL of a database that is not there yet."""
    return engine.url(tmp_path)


@pytest.fixture
def time() -> Hands:
    """The time, which stands still until it is moved."""
    return Hands()


@pytest.fixture
def store(engine: Engine, url: str, tmp_path: Path) -> Iterator[Store]:
    """A new database. Whatever a test did to it, every invariant holds at its end."""
    engine.lay(tmp_path)
    made = open_store(url, synchronous="normal")
    yield made
    try:
        assert broken(made) == []
    except StorageError:  # the test has closed it, or put another file in its place
        with closing(open_store(url)) as again:
            assert broken(again) == []
    finally:
        made.close()


@pytest.fixture
def world(store: Store, time: Hands) -> World:
    """A new database with one owner in it."""
    return World(store, time)


@pytest.fixture
async def astore(engine: Engine, url: str, tmp_path: Path) -> AsyncIterator[AsyncStore]:
    """A new database as an event loop uses it."""
    engine.lay(tmp_path)
    made = await open_async_store(url, synchronous="normal")
    yield made
    await made.close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database that 0.1.0 wrote."""
    path = tmp_path / "lanes.db"
    path.write_bytes(gzip.decompress((FIXTURE / "lanes.db.gz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What 0.1.0 said of it, and every row of it."""
    found: dict[str, Any] = json.loads(gzip.decompress((FIXTURE / "said.json.gz").read_bytes()))
    return found
