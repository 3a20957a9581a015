"""What time it is, as an argument.

Nothing below the loops reads a clock: a ``Now`` is handed in, so that tests move time by hand.
"""

import time
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol


class Now(NamedTuple):
    """One moment on the three clocks that lanes uses, in whole milliseconds.

    ``wall`` is Unix time: shown to people, and used for ``parked_until``, pause expiry and retention only.
    ``boot`` is the time since ``boot_id`` began, suspension included; it judges runs of the same boot.
    ``mono`` is this process's monotonic clock; it judges everything else, from first sight.
    """

    wall: int
    boot: int
    mono: int
    boot_id: str

    def later(self, ms: int) -> "Now":
        """The moment ``ms`` milliseconds after this one, on all three clocks."""
        return self._replace(wall=self.wall + ms, boot=self.boot + ms, mono=self.mono + ms)


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> Now: ...


@cache
def boot_id() -> str:
    """What names this boot of this machine, so that two readings of the boot clock can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux: the moment of boot, to the minute, names it well enough
        import psutil

        return f"boot-{round(psutil.boot_time() / 60)}"


_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def system_clock() -> Now:
    """The clocks of this machine."""
    wall, boot, mono = time.time_ns(), time.clock_gettime_ns(_BOOT_CLOCK), time.monotonic_ns()
    return Now(wall // 1_000_000, boot // 1_000_000, mono // 1_000_000, boot_id())
