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
    ``mono`` is the monotonic clock of the machine, which stands still while that sleeps and goes on while this process
    is stopped; it judges everything else, from first sight.
    """

    wall: int
    boot: int
    mono: int
    boot_id: str

    @property
    def slept(self) -> int:
        """How long the machine has slept in this boot, up to a constant: only the growth of it means anything."""
        return self.boot - self.mono

    def awake_since(self, boot: int, slept: int | None) -> int:
        """How much of the time since a moment of this boot the machine was awake.

        ``slept`` as it stood at that moment; None: nobody noted it, and nothing is taken off.
        """
        return self.boot - boot - slept_between(slept, self.slept)

    def later(self, ms: int) -> "Now":
        """The moment ``ms`` milliseconds after this one, on all three clocks."""
        return self._replace(wall=self.wall + ms, boot=self.boot + ms, mono=self.mono + ms)


def slept_between(before: int | None, after: int | None) -> int:
    """How long a machine slept between two moments of which ``Now.slept`` is known; 0 where one of them is not."""
    return 0 if before is None or after is None else max(0, after - before)


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


#: Two readings of one clock that are this close have nothing between them.
_AT_ONCE_NS = 500_000


def system_clock() -> Now:
    """The clocks of this machine."""
    mono, slept = _awake_and_asleep()
    return Now(time.time_ns() // 1_000_000, mono // 1_000_000 + slept, mono // 1_000_000, boot_id())


def _awake_and_asleep() -> tuple[int, int]:
    """The monotonic clock in nanoseconds, and how far the boot clock is ahead of it in whole milliseconds.

    Read again where the process was held up in between: that would look like sleep.
    """
    while True:
        before, boot, after = time.monotonic_ns(), time.clock_gettime_ns(_BOOT_CLOCK), time.monotonic_ns()
        if after - before <= _AT_ONCE_NS:
            return before, round((boot - before) / 1_000_000)
