"""The terminal and the gateway that the dashboard depends on, and the driver that reads the terminal."""

import os
import select
import signal

from textual.drivers.linux_driver import LinuxDriver

from lanes.base.terminal import hung_up
from lanes_tui.typed import QUIET_S, TypedStream

#: The exit code if the terminal is gone: the same as after SIGHUP.
HUNG_UP = 128 + signal.SIGHUP
#: How many bytes one read takes at most.
MOST_READ = 2**16


class Surroundings:
    """Knows whether terminal and gateway still exist. ``with_gateway``: the parent process is the gateway."""

    def __init__(self, *, with_gateway: bool) -> None:
        self._gateway = os.getppid() if with_gateway else None

    @property
    def orphaned(self) -> bool:
        """Whether the gateway that started this process has ended, as after ``kill -9``."""
        return self._gateway is not None and os.getppid() != self._gateway

    def lost(self, terminal: int) -> bool:
        """Whether the gateway or the terminal (a file descriptor) is gone."""
        return self.orphaned or hung_up(terminal)


class QuietDriver(LinuxDriver):
    """The toolkit's terminal driver, with pastes as single events; it leaves, not crashes, when reading keys fails.

    Reading fails for a process whose parent has ended: the shell has taken the terminal back.
    """

    @property
    def is_behind(self) -> bool:
        """Whether painted output still waits to be sent, because the line to the terminal is slow."""
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
