"""The command line: ``lanes``. Each command is a module of its own, imported only when it is called."""

import contextlib
import gc
import os
import sys

#: Objects more than were freed before a collection: what a command imports stays, and is searched for garbage in vain.
COLLECT_AFTER = 100_000


def main() -> None:
    """Run the command line on this process's arguments, and exit."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    from lanes.commands.common.entry import run

    code = run()
    if sys.warnoptions:  # whoever asks for warnings wants to be told of what was left open
        raise SystemExit(code)
    # Every database is closed by now. To take the interpreter down piece by piece costs a sixth of a short command.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)
