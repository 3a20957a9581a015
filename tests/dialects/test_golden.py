"""Every recorded request and answer, field by field."""

from pathlib import Path

import pytest

from tests.dialects.golden import case, cases, told


@pytest.mark.parametrize("name", cases())
async def test_what_was_recorded(name: str, tmp_path: Path) -> None:
    given = case(name)
    made = await told(given, tmp_path)
    assert made == {part: given.get(part) for part in made}
    assert ("asked" in made) == ("asked" in given)
