"""``make catalogue``: runs the tests of the failure catalogue (docs/failures.md) and prints each id with its result."""

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "failures.md"
ROW = re.compile(r"^\| (F\d{2,4}) \| ([^|]*) \| (.+) \|$", re.MULTILINE)
ID = re.compile(r"(?<![A-Za-z0-9])F\d{2,4}(?![0-9])")
WIDTH = 72


def catalogue() -> dict[str, str]:
    """What must hold, by id, in the order of the document."""
    return {id_: said.replace("\\|", "|") for id_, _, said in ROW.findall(DOCUMENT.read_text(encoding="utf-8"))}


def ids_of(test: str) -> list[str]:
    """The ids that a test carries in its name."""
    return ID.findall(test.rpartition("::")[2].partition("[")[0].replace("_", " "))


@dataclass(slots=True)
class Results:
    """A plugin of pytest that keeps how each test of an id ended."""

    passed: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed and report.when != "call":
            return
        for id_ in ids_of(report.nodeid):
            if report.passed:
                self.passed[id_] += 1
            else:
                self.failed[id_].append(report.nodeid)


def table(results: Results) -> tuple[list[str], bool]:
    """The lines to print, and whether every id holds."""
    lines, holds = [], True
    for id_, said in catalogue().items():
        failed, passed = results.failed[id_], results.passed[id_]
        good = passed > 0 and not failed
        holds = holds and good
        verdict = "holds" if good else "FAILS" if failed else "NO TEST"
        short = said if len(said) <= WIDTH else said[: WIDTH - 1] + "…"
        lines.append(f"{id_:<5}  {verdict:<8} {passed:>3} passed  {short}")
        lines += [f"      {test}" for test in sorted(set(failed))]
    return lines, holds


def main() -> int:
    """Run them, print the table; 0 if every id holds."""
    results = Results()
    chosen = " or ".join(f"_{id_}_" for id_ in catalogue())
    pytest.main([str(ROOT / "tests"), "-q", "-n", "auto", "-k", chosen, *sys.argv[1:]], plugins=[results])
    lines, holds = table(results)
    print("\n".join(lines))  # noqa: T201 - what it is for
    print(f"{sum(' holds ' in line for line in lines)} of {len(catalogue())} hold")  # noqa: T201
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
