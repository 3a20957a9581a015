"""What one observer saw, and when by its monotonic clock.

Silence is measured between the observer's own reads, never from times that other processes wrote. Time in which the
observer did not read (it was suspended or late, or the database failed) does not count as silence: all measurements
start again. Time in which a machine slept does not count either: the monotonic clock leaves out the sleep of the
observer's machine, and heartbeats contain that of another.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from lanes_storage.clock import Now, slept_between
from lanes_storage.records import OwnerRow, RunRow

T = TypeVar("T")
S = TypeVar("S")


class Since(NamedTuple):
    """A first sighting: its time, and how long the owner's machine had slept by then, as of its heartbeat."""

    at: Now
    slept: int | None


@dataclass(slots=True)
class Sightings:
    """The memory of an observer that reads every ``interval_ms``."""

    interval_ms: int
    _heartbeats: dict[int, tuple[int, Now]] = field(default_factory=dict)
    _runs: dict[int, Since] = field(default_factory=dict)
    _progress: dict[int, tuple[tuple[int, int], Since]] = field(default_factory=dict)
    _aborts: dict[int, Since] = field(default_factory=dict)
    _last_look: Now | None = None

    def look(self, owners: Iterable[OwnerRow], runs: Iterable[RunRow], now: Now) -> None:
        """Process what was just read. After a gap, everything counts as seen for the first time."""
        if self._last_look is not None and now.mono - self._last_look.mono > 2 * self.interval_ms + 1_000:
            self.forget()
        self._last_look = now
        owners, runs = list(owners), list(runs)
        self._heartbeats = {o.id: _kept(self._heartbeats.get(o.id), o.heartbeats, now) for o in owners}
        slept = {owner.id: owner.slept_ms for owner in owners}
        first = {r.id: Since(now, slept.get(r.owner_id)) for r in runs}
        self._runs = {r.id: self._runs.get(r.id, first[r.id]) for r in runs}
        self._progress = {
            r.id: _kept(self._progress.get(r.id), (r.progress_boot, r.busy_until_boot or 0), first[r.id])
            for r in runs
            if not r.waiting  # it waits for another lane: its silence begins when that wait ends
        }
        self._aborts = {r.id: self._aborts.get(r.id, first[r.id]) for r in runs if r.abort_at is not None}

    def forget(self) -> None:
        """Start again: time without observation proves nothing."""
        self._heartbeats, self._runs, self._progress, self._aborts = {}, {}, {}, {}

    def silence_of(self, owner: OwnerRow, now: Now) -> int:
        """For how many milliseconds this observer has seen no new heartbeat of an owner."""
        return now.mono - self._last_heartbeat(owner, now).mono

    def first_of(self, run: RunRow, now: Now) -> Since:
        """When this observer first saw a run."""
        return self._runs.get(run.id, Since(now, None))

    def progress_of(self, run: RunRow, now: Now) -> Since:
        """When this observer first saw the present progress of a run, or its present announcement to be busy."""
        return self._progress.get(run.id, ((0, 0), Since(now, None)))[1]

    def abort_of(self, run: RunRow, now: Now) -> Since:
        """When this observer first saw that a run's abort was requested."""
        return self._aborts.get(run.id, Since(now, None))

    def awake_ms(self, since: Since, owner: OwnerRow, now: Now) -> int:
        """How long the machine of an owner has certainly been awake since a first sight.

        On the observer's machine this is the time by its monotonic clock. For another machine it is known up to the
        last heartbeat, minus the sleep that it reported. Time after that is silence.
        """
        if owner.boot_id == now.boot_id:
            return now.mono - since.at.mono
        return max(
            0, self._last_heartbeat(owner, now).mono - since.at.mono - slept_between(since.slept, owner.slept_ms)
        )

    def _last_heartbeat(self, owner: OwnerRow, now: Now) -> Now:
        """When this observer first saw the last heartbeat of an owner."""
        return self._heartbeats.get(owner.id, (0, now))[1]


def _kept(before: tuple[T, S] | None, value: T, sight: S) -> tuple[T, S]:
    """The earlier sighting if the value is unchanged; otherwise a new one."""
    return before if before is not None and before[0] == value else (value, sight)
