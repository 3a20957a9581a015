"""What docs/contributing.md says of where things are is so."""

import re

import pytest

from tests.house.modules import ROOT

PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<file>[^`]+\.py)` \| (?P<names>[^|]+) \|$", re.MULTILINE)
ROWS = [(row["what"], row["file"], re.findall(r"`(\w+)`", row["names"])) for row in ROW.finditer(PAGE)]


@pytest.mark.parametrize(("what", "file", "names"), ROWS, ids=[what for what, *_ in ROWS])
def test_a_behaviour_is_where_the_page_says(what: str, file: str, names: list[str]) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert names, what
    for name in names:
        assert re.search(rf"^(async )?(def|class) {name}\b|^{name}\b.* = |^{name}: ", text, re.MULTILINE), name


def test_the_page_has_enough_of_them() -> None:
    assert len(ROWS) >= 40
