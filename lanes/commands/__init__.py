"""The command line: ``lanes``. Each command is a module of its own, imported only when it is called."""

import contextlib
import gc
import os
import sys
from collections.abc import Mapping

#: Objects more than were freed before a collection: what a command imports stays, and is searched for garbage in vain.
COLLECT_AFTER = 100_000
_USUAL = gc.get_threshold()


def hurry() -> None:
    """Put the first search for garbage off: most commands end before. One that has made so many objects is no quick
    command, and from then on the collector works as usual, beside what was imported.
    """
    gc.set_threshold(COLLECT_AFTER, *_USUAL[1:])
    gc.callbacks.append(_as_usual)


def _as_usual(phase: str, _: Mapping[str, int]) -> None:
    if phase == "stop":
        gc.callbacks.remove(_as_usual)
        gc.freeze()
        gc.set_threshold(*_USUAL)


def main() -> None:
    """Run the command line on this process's arguments, and exit."""
    hurry()
    from lanes.commands.common.entry import run

    code = run()
    if sys.warnoptions:  # whoever asks for warnings wants to be told of what was left open
        raise SystemExit(code)
    if (logs := sys.modules.get("lanes.logs")) is not None:
        logs.flush()  # what a command says that serves is handed on by a thread
    # Every database is closed by now. To take the interpreter down piece by piece costs a sixth of a short command.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)
