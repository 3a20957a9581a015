"""A stage for each test: a database that the test fills."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import House, house
from tests.kit.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path / "lanes.db")
    yield made
    made.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as one:
        yield one
