"""What docs/contributing.md says of where things are is so."""

import re

from tests.house.modules import ROOT

PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<file>[^`]+\.py)` \| (?P<names>[^|]+) \|$", re.MULTILINE)
ROWS = [(row["what"], row["file"], re.findall(r"`(\w+)`", row["names"])) for row in ROW.finditer(PAGE)]


def test_each_behaviour_is_where_the_page_says() -> None:
    for what, file, names in ROWS:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert names, what
        for name in names:
            made = rf"^(async )?(def|class) {name}\b|^{name}\b.* = |^{name}: "
            assert re.search(made, text, re.MULTILINE), f"{what}: no {name} in {file}"


def test_the_page_has_enough_of_them() -> None:
    assert len(ROWS) >= 40
