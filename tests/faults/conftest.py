"""A house for each fault: the real program, in processes, with the smallest clocks that a busy machine allows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import House, house


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as one:
        yield one
