"""``python -m tests.bench``: the rows of ``lanes bench``, and those that only a checkout has.

Those are about other programs (``--peers PYTHON`` names a Python that has them), 0.1.0, a bad night and the dashboard.
``--write FILE`` puts the table into a document, between its marks.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TextIO

from lanes.bench import groups, measuring, report
from lanes.bench.kit import work
from tests.bench import peers, table
from tests.bench.rows import ROWS, screen


def main() -> None:
    """Measure the rows that are asked for."""
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, allow_abbrev=False)
    options.add_argument("--only", action="append", metavar="ROW", default=[])
    for flag in ("--quick", "--list", "--json"):
        options.add_argument(flag, action="store_true")
    options.add_argument("--folder", type=Path, default=Path.cwd())
    options.add_argument("--peers", metavar="PYTHON")
    options.add_argument("--write", metavar="FILE", type=Path)
    given = options.parse_args()
    for missing in (path for path in (given.folder, given.write) if path is not None and not path.exists()):
        options.error(f"{missing} does not exist")  # before anything is measured
    peers.PYTHON = peers.found(given.peers)
    rows = measuring.chosen((*groups.ROWS, *ROWS, *screen.ROWS), given.only)
    if not rows:
        options.error("no row has this name; --list shows them")
    if given.list:
        sys.stdout.writelines(f"{report.named(row)}\n" for row in rows)
        return
    size = work.QUICK if given.quick else work.FULL
    lines = sys.stderr if given.json else sys.stdout
    machine, results = measuring.bench(rows, size, given.folder, lambda line: _put(line, lines))
    if given.json:
        _put(json.dumps(report.form(machine, results)), sys.stdout)
    if given.write is not None:
        table.write_into(given.write, table.markdown(machine, results, size.rounds))


def _put(line: str, to: TextIO) -> None:
    to.write(f"{line}\n")
    to.flush()


if __name__ == "__main__":
    main()
