"""Measures the chosen rows and reports each result as soon as it is known."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic

from lanes.base.terminal import is_terminal
from lanes.bench import report
from lanes.bench.facts import facts
from lanes.bench.kit.rows import BenchRow, Result, Skipped
from lanes.bench.kit.work import Size, Work
from lanes_storage.logs import Log

log = Log("lanes.bench")


def chosen(rows: Sequence[BenchRow], only: Sequence[str]) -> list[BenchRow]:
    """The rows whose name begins with one of the words; all of them without a word."""
    return [row for row in rows if not only or row.name.startswith(tuple(only))]


def measured(rows: Sequence[BenchRow], work: Work) -> Iterator[Result]:
    """The results, one by one."""
    write = work.progress
    for number, row in enumerate(rows, 1):
        work.progress = _prefixed(write, f"{number} of {len(rows)}, {row.name}: ")
        try:
            result = Result(row, row.measure(work))
        except Skipped as why:
            result = Result(row, None, str(why))
        except Exception as error:  # the other rows are still measured
            log.exception("%s", row.name)
            result = Result(row, None, f"failed, {type(error).__name__}: {error}"[:200])
        write("")
        yield result


def bench(
    rows: Sequence[BenchRow], size: Size, folder: Path, write: Callable[[str], None]
) -> tuple[dict[str, str], list[Result]]:
    """Measure rows in a temporary folder within ``folder``; returns the machine's facts and the results."""
    with tempfile.TemporaryDirectory(dir=folder.resolve(), prefix="lanes-bench-") as name:
        work = Work(size, Path(name), progress)
        machine = facts(work.folder)
        write("  ".join(f"{name}: {fact}" for name, fact in machine.items()))
        write(report.heading())
        results, started = [], monotonic()
        with closing(work):
            for result in measured(rows, work):
                write(report.line(result))
                results.append(result)
        machine["took"] = f"{(monotonic() - started) / 60:.0f} min"
    return machine, results


def progress(doing: str) -> None:
    """Show the current activity, if stderr is a terminal."""
    if is_terminal(sys.stderr):
        sys.stderr.write(f"\r\033[K{doing}")
        sys.stderr.flush()


def _prefixed(write: Callable[[str], None], prefix: str) -> Callable[[str], None]:
    return lambda doing: write(prefix + doing)
