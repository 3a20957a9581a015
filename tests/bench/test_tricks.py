"""The page of tricks and the script that measures them: each row has a measurement, and it runs."""

import re

import pytest

from tests.bench.tricks import TRICKS, measure
from tests.house.modules import ROOT

PAGE = (ROOT / "docs" / "design-tricks.md").read_text(encoding="utf-8")
#: Those whose measurement takes seconds, or processes.
LONG = {
    "lock-wait",
    "pages",
    "event-blocks",
    "inotify",
    "optional",
    "lazy-commands",
    "lazy-names",
    "lazy-tuples",
    "no-garbage",
    "exit",
    "freeze",
}


def test_the_page_and_the_script_name_the_same() -> None:
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) == sorted(TRICKS)


@pytest.mark.parametrize("name", [name for name in TRICKS if name not in LONG])
def test_a_measurement_runs(name: str) -> None:
    assert measure(TRICKS[name], rounds=1)[0] > 0
