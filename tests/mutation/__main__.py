"""Take one guard away at a time, and name the test that misses it.

    python -m tests.mutation [WORD ...]

WORD: only the guards whose name has one of these words. Exit code 1: there is a guard that no test misses.
"""

import queue
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.guards import Guard, all_guards
from tests.mutation.trial import Tree, likely_first

#: Copies of the tree, and so guards tried at a time.
AT_A_TIME = 2


def main(words: list[str]) -> int:
    """Try every guard; returns the exit code."""
    guards = [guard for guard in all_guards() if not words or any(word in guard.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="lanes-mutation-") as folder:
        trees: queue.SimpleQueue[Tree] = queue.SimpleQueue()
        for number in range(AT_A_TIME):
            (Path(folder) / str(number)).mkdir()
            trees.put(Tree(Path(folder) / str(number)))
        say(f"{len(guards)} guards; first the tests with every guard in its place")
        tree = trees.get()
        seen = tree.witness()
        trees.put(tree)

        def trial(guard: Guard) -> str | None:
            tests = likely_first(guard, seen)
            if not tests:
                return None
            tree = trees.get()
            try:
                return tree.without(guard, tests)
            finally:
                trees.put(tree)

        missed_by_none = []
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for guard, noticed in zip(guards, pool.map(trial, guards), strict=True):
                say(f"{guard.name}\n    {noticed or 'NO TEST MISSES IT'}")
                if noticed is None:
                    missed_by_none.append(guard)
    say(f"\n{len(guards) - len(missed_by_none)} of {len(guards)} guards are missed by a test")
    for guard in missed_by_none:
        say(f"  no test misses  {guard.name}")
    return 1 if missed_by_none else 0


def say(line: str) -> None:
    """Print at once: a run takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
