"""Time as an argument.

Only the loops read a clock. Everything below them gets a ``Now``, so that tests can control time.
"""

import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

from lanes_storage.tuples import NamedTuple


class Now(NamedTuple):
    """One moment on the three clocks that lanes uses, in whole milliseconds.

    ``wall`` is Unix time: shown to people, and used for ``parked_until``, pause expiry and retention only.
    ``boot`` is the time since the boot named ``boot_id``, suspension included; it is used for runs of the same boot.
    ``mono`` is the monotonic clock of the machine, which stops while the machine sleeps and continues while this
    process is stopped; it is used for everything else, such as how long ago this process first saw a run.
    """

    wall: int
    boot: int
    mono: int
    boot_id: str

    @property
    def slept(self) -> int:
        """How long the machine has slept in this boot, plus an unknown constant: only differences are meaningful."""
        return self.boot - self.mono

    @property
    def params(self) -> dict[str, int | str]:
        """The clocks as parameters of statements: ``now`` is wall time."""
        return {"now": self.wall, "boot": self.boot, "mono": self.mono, "slept": self.slept, "boot_id": self.boot_id}

    def awake_since(self, boot: int, slept: int | None) -> int:
        """How long the machine was awake since a moment of this boot, in milliseconds.

        ``slept``: the value of ``slept`` at that moment. If it is None, no sleep is subtracted.
        """
        return self.boot - boot - slept_between(slept, self.slept)

    def later(self, ms: int) -> "Now":
        """The moment ``ms`` milliseconds after this one, on all three clocks."""
        return self._replace(wall=self.wall + ms, boot=self.boot + ms, mono=self.mono + ms)


def slept_between(before: int | None, after: int | None) -> int:
    """How long the machine slept between two values of ``Now.slept``; 0 if one of them is unknown."""
    return 0 if before is None or after is None else max(0, after - before)


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> Now: ...


#: The prefix of a boot id that is derived from the boot time, which other machines may share.
_BY_TIME = "boot-"


@cache
def boot_id() -> str:
    """An id of this boot of this machine: readings of the boot clock are comparable only within one boot.

    Raises OSError on Linux without /proc: with any other id, its processes would count as those of another boot.
    """
    if not sys.platform.startswith("linux"):
        return boot_session(sysctl)
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip() + _offset()


def _offset() -> str:
    """What tells the clocks of this time namespace from those of the machine, as in a container that was restored from
    a checkpoint; empty if they are the same. The start times of processes are read on that clock, too."""
    try:
        offsets = Path("/proc/self/timens_offsets").read_text(encoding="ascii").split()  # monotonic 0 0 boottime 0 0
    except OSError:  # this kernel has no time namespaces
        return ""
    numbers = [each for each in offsets if not each.isalpha()]
    return "+" + "+".join(numbers) if any(int(each) for each in numbers) else ""


def boot_session(value_of: Callable[[str], str | None]) -> str:
    """The boot id outside Linux. ``value_of`` reads a kernel setting: macOS has an id for the boot. Elsewhere it is the
    boot time, to the minute, which changes when the wall clock is set."""
    session = value_of("kern.bootsessionuuid")
    if session:
        return session.lower()
    import psutil

    return f"{_BY_TIME}{round(psutil.boot_time() / 60)}"


def same_boot(host: str, boot: str, other_host: str, other_boot: str) -> bool:
    """Whether two processes belong to the same boot of the same machine, given the host name and boot id of each.

    A machine may be renamed while it runs, so the names count only if the boot id is derived from the boot time.
    """
    return boot == other_boot and (host == other_host or not boot.startswith(_BY_TIME))


def sysctl(name: str) -> str | None:
    """A kernel setting of macOS or a BSD as text; None if there is none of this name."""
    import ctypes

    sysctlbyname = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    if sysctlbyname is None:
        return None
    buffer, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    if sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return None
    return buffer.value.decode(errors="replace")


_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


#: If two readings of a clock are at most this far apart, the process was not preempted between them.
_MAX_GAP_NS = 500_000


def system_clock() -> Now:
    """The clocks of this machine.

    The monotonic clock and the boot clock are read again if the process was preempted between the two readings: the gap
    would look like sleep.
    """
    while True:
        before, boot, after = time.monotonic_ns(), time.clock_gettime_ns(_BOOT_CLOCK), time.monotonic_ns()
        if after - before <= _MAX_GAP_NS:
            break
    mono, slept = before // 1_000_000, (boot - before + 500_000) // 1_000_000
    return Now(time.time_ns() // 1_000_000, mono + slept, mono, boot_id())
