"""A progress bar for long work, on a terminal only; never part of the result."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lanes.base.terminal import is_terminal
from lanes.commands.output.printing import Output
from lanes.doctor.file import size

#: A smaller file is read within seconds.
LARGE_BYTES = 256 * 1024 * 1024
#: So often a growing file is looked at, in seconds.
LOOK_S = 0.2


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Within the block, call the value with how much is done and how much there is in all."""
    if not is_terminal(sys.stderr):
        yield lambda *_: None
        return
    import click

    with contextlib.ExitStack() as stack:
        shown: list[Any] = []  # from the first report on, since it shows the time that is left

        def report(done: int, whole: int) -> None:
            if not shown:
                shown.append(stack.enter_context(click.progressbar(length=1, label=label, file=sys.stderr)))
            shown[0].length = max(1, whole)
            shown[0].update(done - shown[0].pos)

        yield report


def announce(out: Output, activity: str, path: Path) -> bool:
    """Say on a terminal that a large file is read as a whole; whether it did."""
    with contextlib.suppress(OSError):
        whole = path.stat().st_size
        if out.watched and whole >= LARGE_BYTES:
            out.talk(f"{activity}: all {size(whole)} of it are read, which takes minutes for some gigabytes")
            return True
    return False


@contextmanager
def growing(label: str, file: Path, whole: int) -> Iterator[None]:
    """A bar for work that reports no progress and writes about ``whole`` bytes into a file.

    It is full only when the work is done: what was written may not fit, and a file that is used again is large at once.
    """
    over, most = threading.Event(), whole * 99 // 100

    def watch(report: Callable[[int, int], None]) -> None:
        while not over.wait(LOOK_S):
            with contextlib.suppress(OSError):  # not there yet, or no longer
                report(min(file.stat().st_size, most), whole)

    with bar(label) as report:
        watcher = threading.Thread(target=watch, args=(report,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        report(whole, whole)
