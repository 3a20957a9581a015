"""A bar for long work, on a terminal only: talk, never part of the result."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Within the block, tell the value how much is done and how much there is in all."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _silent
        return
    import click

    with click.progressbar(length=1, label=label, file=sys.stderr) as shown:

        def told(done: int, whole: int) -> None:
            shown.length = max(1, whole)
            shown.update(done - shown.pos)

        yield told


def _silent(done: int, whole: int) -> None:
    del done, whole
