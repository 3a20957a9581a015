"""The same work done by other programs, each a separate script that runs on the Python that has them.

Each is called with a folder, a number of cycles and a number of keys, and prints the seconds that the cycles took:
so many messages enqueued, at most one at a time for each key, run by a function that does nothing, and ended. The
script of LiteLLM's router lives through a night instead (``tests.bench.night``).
"""

import shutil
from pathlib import Path

SCRIPTS = Path(__file__).parent
#: The Python that has them, as ``--peers`` names it; None: what is compared with them is skipped.
PYTHON: str | None = None


def found(named: str | None) -> str | None:
    """Its absolute path, where it is one: the processes that are measured work in separate folders."""
    where = named and shutil.which(named)
    return str(Path(where).absolute()) if where else named
