"""Take one guard away at a time, and name the test that misses it.

    python -m tests.mutation [--tests PATH ...] [WORD ...]

WORD: only the guards whose name has one of these words. Exit code 1: there is a guard that no test misses.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import pytest

from tests.mutation.campaign import Campaign
from tests.mutation.guards import all_guards

#: The store's own tests must miss each of its guards; they need no loop, no thread and no patience.
ROOMS = ["tests/storage"]
AT_A_TIME = 2


def main(arguments: list[str]) -> int:
    """Try every guard; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only guards whose name has one of these words")
    parser.add_argument("--tests", nargs="+", default=ROOMS, metavar="PATH", help="which tests to try them with")
    given = parser.parse_args(arguments)
    guards = [guard for guard in all_guards() if not given.words or any(word in guard.name for word in given.words)]
    with tempfile.TemporaryDirectory(prefix="lanes-mutation-") as folder:
        campaign = Campaign(guards, Path(folder), say, AT_A_TIME)
        # Nothing is said of plugins that this process has imported before, as a forked one has.
        quiet = ["-qq", "--capture=no", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        pytest.main([*quiet, *given.tests], plugins=[campaign])
    if not campaign.complete:
        say("no guard was tried")
        return 1
    left, index = len(campaign.missed_by_none), campaign.serve_an_index
    missed = f"{len(guards) - left - index} of {len(guards)} guards are missed by a test"
    say(f"\n{missed}, {index} serve an index, {left} {'is' if left == 1 else 'are'} left")
    for guard in campaign.missed_by_none:
        say(f"  no test misses  {guard.name}")
    return 1 if campaign.missed_by_none else 0


def say(line: str) -> None:
    """Print at once: a run takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
