"""The status of a process, from ``/proc/PID/stat`` (Linux)."""

import os

from lanes_storage.tuples import NamedTuple

#: The state of a process that a debugger has stopped, and both states of one that a signal or a debugger has.
TRACED = "t"
STOPPED = ("T", TRACED)


class ProcessStat(NamedTuple):
    """A process. ``fields``: everything after its name, from the state on."""

    pid: int
    name: str
    fields: list[str]

    @property
    def state(self) -> str:
        """One letter, as ``ps`` shows it."""
        return self.fields[0]

    @property
    def ended(self) -> bool:
        """Whether it has ended. A main thread that ended before the other threads also shows as a zombie, but those
        still run."""
        return self.state in "ZXx" and int(self.fields[17]) <= 1

    @property
    def stopped(self) -> bool:
        """Whether a signal or a debugger has stopped it; it may continue at any moment."""
        return self.state in STOPPED

    @property
    def parent(self) -> int:
        """The process that started it, or that has adopted it."""
        return int(self.fields[1])

    @property
    def group(self) -> int:
        """Its process group."""
        return int(self.fields[2])

    @property
    def session(self) -> int:
        """Its session."""
        return int(self.fields[3])

    @property
    def cpu_ticks(self) -> int:
        """Its processor time in ticks, in user and system mode."""
        return int(self.fields[11]) + int(self.fields[12])

    @property
    def start_time(self) -> int:
        """When it began, in ticks since the boot."""
        return int(self.fields[19])

    @property
    def pages(self) -> int:
        """Its resident memory, in pages."""
        return int(self.fields[21])


def stat_of(pid: int | str) -> ProcessStat:
    """Read the status of a process. Raises OSError if there is no such process, or none that is visible."""
    # Every reconcile pass checks every owner, and creating a file object takes longer than the system call.
    file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        stat = os.read(file, 4096).decode(errors="replace")
    finally:
        os.close(file)
    # The name, in parentheses, may itself hold spaces and parentheses: count from the last one.
    head, _, tail = stat.rpartition(")")
    pid_text, _, name = head.partition(" (")
    return ProcessStat(int(pid_text), name, tail.split())


def state_of(pid: int) -> str:
    """The state of a process, one letter; empty if there is no such process, or none that is visible."""
    try:
        return stat_of(pid).state
    except OSError:
        return ""
