"""What the dashboard cannot do without: its terminal, and the gateway that it came with."""

import os
import select
import signal

from textual.drivers.linux_driver import LinuxDriver

from lanes.base.terminal import hung_up
from lanes_tui.typed import QUIET_S, TypedStream

#: The exit code where the terminal is gone: as after the signal that tells of it.
HUNG_UP = 128 + signal.SIGHUP
#: The most bytes that are read at once.
MOST_READ = 2**16


class Surroundings:
    """Whether they are still there. ``with_gateway``: the process that started this one is the gateway."""

    def __init__(self, *, with_gateway: bool) -> None:
        self._gateway = os.getppid() if with_gateway else None

    @property
    def orphaned(self) -> bool:
        """Whether the gateway that it came with has ended without a word, as with ``kill -9``."""
        return self._gateway is not None and os.getppid() != self._gateway

    def lost(self, terminal: int) -> bool:
        """Whether the gateway or the terminal (a file descriptor) is gone."""
        return self.orphaned or hung_up(terminal)


class QuietDriver(LinuxDriver):
    """The toolkit's driver, for which a pasted text is no key, and a terminal that gives no more keys is a reason to
    leave, not a crash.

    It gives none to a process whose parent has ended: the shell has taken it back, and reading from it is an error.
    """

    @property
    def is_behind(self) -> bool:
        """Whether the terminal has not taken yet what was painted: its line is slower than that."""
        writer = self._writer_thread
        if writer is None or not writer._queue.empty():
            return writer is not None
        return not select.select([], [writer], [], 0)[1]

    def run_input_thread(self) -> None:
        """Read what is typed until told to stop, or until there is nothing to read from."""
        typed = TypedStream()
        while not self.exit_event.is_set():
            try:
                there, _, _ = select.select([self.fileno], [], [], QUIET_S)
                data = os.read(self.fileno, MOST_READ) if there else None
            except OSError:
                data = b""
            if data == b"":
                self._app.call_later(self._app.exit, HUNG_UP)
                return
            for event in typed.quiet() if data is None else typed.feed(data):
                self.process_message(event)
