"""What harms do to processes from outside: let them stand still, limit them, leave what they say unread."""

import contextlib
import fcntl
import resource
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.kit.processes import PATIENCE_S, Process, eventually

#: The smallest pipe that Linux makes.
SMALLEST_PIPE = 4096


class Pager:
    """Reads what a process says through a pipe, and copies it to a file; can be stopped, as Ctrl-S stops one."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as copy:
            self._popen = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=copy)
        assert self._popen.stdin is not None
        self.end: IO[bytes] = self._popen.stdin  # what is said goes here
        fcntl.fcntl(self.end.fileno(), fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)

    def stop(self) -> None:
        """Read nothing more."""
        self._popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Read again."""
        self._popen.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End with what it reads from."""
        self.go_on()
        self.end.close()
        self._popen.wait(PATIENCE_S)


@contextmanager
def standing_still(processes: Iterable[Process]) -> Iterator[None]:
    """No process moves within the block, wherever it was: what a harm does is done at one moment."""
    living = [process for process in processes if process.popen.poll() is None]
    for process in living:
        process.popen.send_signal(signal.SIGSTOP)
    try:
        for process in living:
            eventually(lambda process=process: _stands(process), f"{process.name} to stop")  # type: ignore[misc]
        yield
    finally:
        for process in living:
            process.popen.send_signal(signal.SIGCONT)


def _stands(process: Process) -> bool:
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] in "TZX"


def limit(process: Process, what: int, soft: int | None) -> None:
    """Set a soft limit of a process that may have ended meanwhile; None: as high as it may be."""
    with contextlib.suppress(ProcessLookupError):
        _, hard = resource.prlimit(process.pid, what)
        resource.prlimit(process.pid, what, (hard if soft is None else soft, hard))


def descriptors(process: Process) -> int:
    """How many a process has open; 0 if it has ended."""
    with contextlib.suppress(FileNotFoundError):
        return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    return 0
