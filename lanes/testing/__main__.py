"""``python -m lanes.testing --at before:17 -- gateway …``: a command of ``lanes`` that ends at a kill point."""

import sys
from collections.abc import Sequence

from lanes.testing.killing import KillPoint

USAGE = "usage: python -m lanes.testing --at before:N|after:N|mid:N[.M] -- COMMAND OF LANES"


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code if the kill point is not reached."""
    if len(arguments) < 4 or arguments[0] != "--at" or arguments[2] != "--":
        raise SystemExit(USAGE)
    try:
        KillPoint.parse(arguments[1]).arm()
    except ValueError as error:
        raise SystemExit(f"{error}\n{USAGE}") from error
    from lanes.commands.common.entry import run

    return run(arguments[3:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
