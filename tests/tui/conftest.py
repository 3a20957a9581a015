"""A stage for each test: a database that the test fills."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.counter import counter
from tests.kit.processes import House, house
from tests.kit.stage import Stage
from tests.tui.driving import Drive, Driver, dashboard, no_idling, quick_hands, slow_hands

__all__ = ["drive", "made", "no_idling", "quick_hands", "slow_hands", "stage"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "lanes.db")
    yield made
    made.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as one:
        yield one


@pytest.fixture(params=["file", "gateway"])
def drive(request: pytest.FixtureRequest) -> Drive:
    """Opens a dashboard on a database: on the file itself, and through HTTP."""

    @asynccontextmanager
    async def opened(path: Path, **more: Any) -> AsyncIterator[Driver]:
        if request.param == "file":
            async with dashboard(path, **more) as driver:
                yield driver
        else:
            async with counter(path) as url, dashboard(path, url=url, **more) as driver:
                yield driver

    return opened
