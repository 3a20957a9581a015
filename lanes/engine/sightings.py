"""What one observer saw, and when by its own monotonic clock.

Silence is measured from sight to sight, never from times that others wrote. Time in which the observer did not
look (suspended, late, or the database could not be read or written) is no silence: everything counts from anew. Nor is
time in which a machine slept: the observer's own stands in its monotonic clock, that of another in its heartbeats.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from lanes_storage.moment import Now, slept_between
from lanes_storage.records import Owner, Run

T = TypeVar("T")
S = TypeVar("S")


class Since(NamedTuple):
    """A first sight: when it was, and how long the owner's machine had slept by then, as it had told."""

    at: Now
    slept: int | None


@dataclass(slots=True)
class Sightings:
    """The memory of an observer that means to look every ``interval_ms``."""

    interval_ms: int
    _heartbeats: dict[int, tuple[int, Now]] = field(default_factory=dict)
    _runs: dict[int, Since] = field(default_factory=dict)
    _progress: dict[int, tuple[tuple[int, int], Since]] = field(default_factory=dict)
    _aborts: dict[int, Since] = field(default_factory=dict)
    _last_look: Now | None = None

    def look(self, owners: Iterable[Owner], runs: Iterable[Run], now: Now) -> None:
        """Take in what was just read. After a gap in looking, everything is seen for the first time."""
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
            if not r.waiting  # for another lane: its silence begins when that wait has ended
        }
        self._aborts = {r.id: self._aborts.get(r.id, first[r.id]) for r in runs if r.abort_at is not None}

    def forget(self) -> None:
        """Begin anew: what was not watched proves nothing."""
        self._heartbeats, self._runs, self._progress, self._aborts = {}, {}, {}, {}

    def silence_of(self, owner: Owner, now: Now) -> int:
        """For how many milliseconds this observer has seen no new heartbeat of an owner."""
        return now.mono - self._heard(owner, now).mono

    def first_of(self, run: Run, now: Now) -> Since:
        """When this observer first saw a run."""
        return self._runs.get(run.id, Since(now, None))

    def progress_of(self, run: Run, now: Now) -> Since:
        """When this observer first saw the present progress of a run, or its present word that it is busy."""
        return self._progress.get(run.id, ((0, 0), Since(now, None)))[1]

    def abort_of(self, run: Run, now: Now) -> Since:
        """When this observer first saw that a run's abort was requested."""
        return self._aborts.get(run.id, Since(now, None))

    def awake_ms(self, since: Since, owner: Owner, now: Now) -> int:
        """How long the machine of an owner has surely been awake since a first sight, as its heartbeats tell.

        On the observer's own machine that is the time by its monotonic clock; of another, it is known up to the last
        heartbeat, without the sleep that this told of. What came after it is silence.
        """
        if owner.boot_id == now.boot_id:
            return now.mono - since.at.mono
        return max(0, self._heard(owner, now).mono - since.at.mono - slept_between(since.slept, owner.slept_ms))

    def _heard(self, owner: Owner, now: Now) -> Now:
        """When this observer first saw the last heartbeat of an owner."""
        return self._heartbeats.get(owner.id, (0, now))[1]


def _kept(before: tuple[T, S] | None, value: T, sight: S) -> tuple[T, S]:
    """The sighting before, while what is seen is the same; else a new one."""
    return before if before is not None and before[0] == value else (value, sight)
