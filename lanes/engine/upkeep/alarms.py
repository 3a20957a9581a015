"""Alarms: a lane held for long, or a message that waits for long, is reported in the journal and in one line of the
log.

The owner of a held lane warns at ``warn_held_after`` of the stored terms, and again whenever the time has doubled. For
a waiting head there is one warning, by the gateway that notices it first: the row stores that there was one.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lanes.engine.background.isolation import by_page, isolated
from lanes.engine.background.loop import WriteFunction
from lanes.engine.runs.live import ActiveRun
from lanes.engine.runs.liveset import LiveSet
from lanes.engine.upkeep.agenda import Agenda
from lanes.text import ages
from lanes.text.naming import all_lanes
from lanes.text.spans import span
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.interface import Reader, Transaction
from lanes_storage.logs import Log
from lanes_storage.records import LaneRow, WaitingHead

log = Log("lanes.alarms")

#: Milliseconds between two attempts to warn about a run, and between two reads of the waiting heads.
WARN_AGAIN_MS = 100
LOOK_AT_HEADS_MS = 1_000
#: Heads per read: more heads are spread over several reads, so that none takes long.
HEADS_PER_LOOK = 1_000
#: Warnings per transaction, so that other writers get the lock in between.
PAGE = 100


class HeldAlarms:
    """Warns about the live runs of one owner."""

    def __init__(self, write: WriteFunction, live: LiveSet) -> None:
        self._write = write
        self._agenda = Agenda(live)

    def run_once(self, now: Now, *, by: str) -> int:
        """Warn about every run that is due; returns how many. Raises StorageError."""
        due = []
        for run in self._agenda.due(now):
            self._agenda.put(run.id, max(_next(run, now), now.mono + WARN_AGAIN_MS))
            if now.mono >= _next(run, now) and not (run.lost or run.released):
                due.append(run)
        by_page(log, due, PAGE, lambda page: self._warn(page, now, by), lambda run: run.named)
        return len(due)

    def _warn(self, runs: Sequence[ActiveRun], now: Now, by: str) -> None:
        about = [(run, _held_detail(run, _doubled(run, now), now)) for run in runs]

        def step(tx: Transaction) -> list[bool]:
            return [doors.warn_held(tx, run.ticket, now, by=by, detail=detail) for run, detail in about]

        for (run, detail), warned in zip(about, self._write(step), strict=True):
            run.warn_after_ms = _doubled(run, now)
            self._agenda.put(run.id, _next(run, now))
            if warned:
                log.warning("%s", _held_line(run, detail))


class WaitAlarms:
    """Warns about the heads of all lanes of the database. ``patience_ms`` returns ``warn_wait_after`` of a key."""

    def __init__(
        self, reader: Reader, write: WriteFunction, patience_ms: Callable[[str], int], *, per_look: int = HEADS_PER_LOOK
    ) -> None:
        self._reader = reader
        self._write = write
        self._patience_ms = patience_ms
        self._per_look = per_look
        self._after = 0  # the last head of the previous look; 0: begin with the first

    def run_once(self, now: Now, *, by: str) -> int:
        """Check the next heads; returns how many were warned about. Raises StorageError."""
        heads = self._reader.read(reads.waiting_heads(self._after, self._per_look))
        self._after = heads[-1].message_id if len(heads) == self._per_look else 0
        due = []
        for head in heads:
            with isolated(log, _named(head)):
                if head.warned_at is None and now.wall - head.accepted_at >= self._patience_ms(head.key):
                    due.append(head)
        warned: list[int] = []
        by_page(log, due, PAGE, lambda page: warned.append(self._warn(page, now, by)), _named)
        return sum(warned)

    def _warn(self, heads: Sequence[WaitingHead], now: Now, by: str) -> int:
        about = []
        for head in heads:
            lane = self._reader.read(reads.lane(head.lane))
            if lane is not None:
                about.append((head, _wait_detail(head, lane, now)))

        def step(tx: Transaction) -> list[bool]:
            return [doors.warn_wait(tx, head.message_id, now, by=by, detail=detail) for head, detail in about]

        warned = self._write(step)
        for (head, detail), applied in zip(about, warned, strict=True):
            if applied:
                waited, holder = span(detail["waited_ms"]), detail["holder"]
                log.warning("lane wait exceeded: lane %s has waited for %s; %s", ascii(head.key), waited, holder)
        return sum(warned)


def _named(head: WaitingHead) -> str:
    return f"the head of lane {head.key!a}"


def _next(run: ActiveRun, now: Now) -> int:
    """The time of the next warning, unless the run waits for input until then: that time does not count."""
    return run.began_mono(now) + run.warn_after_ms


def _doubled(run: ActiveRun, now: Now) -> int:
    """After how long a run is warned about once more: its threshold, doubled until it is in the future."""
    interval, worked = max(1, run.warn_after_ms), now.mono - run.began_mono(now)
    while interval <= worked:
        interval *= 2
    return interval


def _held_detail(run: ActiveRun, again_after_ms: int, now: Now) -> dict[str, Any]:
    sign, limit, began = run.sign(), run.terms.run_timeout_ms, run.began_mono(now)
    return {
        "held_ms": now.mono - run.claimed_mono,
        "progress": sign.progress,
        "progress_age_ms": now.mono - sign.at_mono,
        "deadline_ms": None if limit is None else began + limit - now.mono,
        "again_in_ms": began + again_after_ms - now.mono,
    }


def _held_line(run: ActiveRun, detail: dict[str, Any]) -> str:
    left = detail["deadline_ms"]
    end = "run_timeout is off" if left is None else f"run_timeout ends it in {span(left)}"
    return (
        f"lane {run.key!a} is held for {span(detail['held_ms'])} by run {run.id}; its last sign was"
        f" {detail['progress']!a}, {span(detail['progress_age_ms'])} ago; {end}"
    )


def _wait_detail(head: WaitingHead, lane: LaneRow, now: Now) -> dict[str, Any]:
    run, owner = lane.run, lane.owner
    return {
        "waited_ms": now.wall - head.accepted_at,
        "queued": lane.queued,
        "holder": _holder(head, lane, now),
        "run": None if run is None else run.id,
        "owner": None if owner is None else owner.id,
    }


def _holder(head: WaitingHead, lane: LaneRow, now: Now) -> str:
    """Why the head waits, and since when."""
    if lane.run is not None:
        owner = f"owner {lane.run.owner_id}"
        if lane.owner is not None:
            owner += f" (pid {lane.owner.pid} on {lane.owner.host!a})"
        return f"held by run {lane.run.id} of {owner} for {span(ages.held_ms(lane.run, now))}"
    if lane.pause is not None and (lane.pause.until is None or lane.pause.until > now.wall):
        since = span(now.wall - lane.pause.at)
        of = "" if lane.pause.pattern is None else f" with {all_lanes(lane.pause.pattern)}"
        return f"paused by {lane.pause.actor!a} ({lane.pause.reason!a}){of} for {since}"
    if head.parked_until is not None and head.parked_until > now.wall:
        then = f"then it is run once more (retry {head.retries})" if head.retries else "until a provider is available"
        return f"parked for another {span(head.parked_until - now.wall)}, {then}"
    return "held by nobody, and no gateway has claimed it: `lanes why KEY` says what is missing"
