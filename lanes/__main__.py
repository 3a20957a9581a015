"""``python -m lanes`` is the command ``lanes``."""

from lanes.commands import main

main()
