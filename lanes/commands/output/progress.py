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

#: A file is large from this size on; a smaller one is read within seconds.
LARGE_BYTES = 256 * 1024 * 1024
#: The interval between two checks of a growing file, in seconds.
LOOK_S = 0.2


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar during the block; call the value with the work done and the total."""
    if not is_terminal(sys.stderr):
        yield lambda *_: None
        return
    import click

    with contextlib.ExitStack() as stack:
        shown: list[Any] = []  # made at the first report, since the bar estimates the remaining time

        def report(done: int, whole: int) -> None:
            if not shown:
                shown.append(stack.enter_context(click.progressbar(length=1, label=label, file=sys.stderr)))
            shown[0].length = max(1, whole)
            shown[0].update(done - shown[0].pos)

        yield report


def announce(out: Output, activity: str, path: Path) -> bool:
    """Say on a terminal that a large file is read as a whole; returns whether it was said."""
    with contextlib.suppress(OSError):
        whole = path.stat().st_size
        if out.watched and whole >= LARGE_BYTES:
            out.talk(f"{activity}: all {size(whole)} of it are read, which takes minutes for some gigabytes")
            return True
    return False


@contextmanager
def growing(label: str, file: Path, whole: int) -> Iterator[None]:
    """A bar for work that reports no progress and writes about ``whole`` bytes into a file.

    It is full only at the end of the block: more than ``whole`` may be written, and a reused file is large from the
    start.
    """
    over, most = threading.Event(), whole * 99 // 100

    def watch(report: Callable[[int, int], None]) -> None:
        while not over.wait(LOOK_S):
            with contextlib.suppress(OSError):  # the file does not exist yet, or no longer
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
