"""The command line: ``lanes``. Each command is a separate module, imported only when it is called."""

import contextlib
import gc
import os
import sys


def main() -> None:
    """Run the command line on this process's arguments, and exit."""
    gc.disable()  # until the command is imported: imports leave no garbage, and a collection costs like five modules
    from lanes.commands.common.entry import run

    code = run()
    if sys.warnoptions:  # with warnings on, exit normally, so that Python reports what was not closed
        raise SystemExit(code)
    if (logs := sys.modules.get("lanes.logs")) is not None:
        logs.flush()  # a thread writes the log of a command that serves
    # Every database is closed. Shutting down the interpreter would take a tenth of the time of a short command.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)
