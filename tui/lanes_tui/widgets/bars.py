"""The clocks of a run, as bars against their limits."""

from typing import NamedTuple

from textual.content import Content

from lanes.records import Lane, Run
from lanes.text.spans import span
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt

FULL, REST = "━", "─"
_NAME = 6
_LEAST, _MOST = 6, 40


class ClockBar(NamedTuple):
    """A clock of a run. ``limit_ms`` None: it has no limit. ``note``: a remark after its label."""

    name: str
    spent_ms: int
    limit_ms: int | None
    note: str = ""

    @property
    def share(self) -> float:
        """How much of the limit is used up; 1 and more: all of it."""
        return 0.0 if self.limit_ms is None else self.spent_ms / max(1, self.limit_ms)

    @property
    def tone(self) -> str:
        """How worrying that is."""
        return "bad" if self.share >= 1 else "warn" if self.share >= 0.5 else "good"

    def label(self) -> str:
        """``4m 12s of 5m 0s``."""
        limit = "no limit" if self.limit_ms is None else f"of {span(self.limit_ms)}"
        return f"{span(self.spent_ms)} {limit}{', ' if self.note else ''}{self.note}"


def clocks(lane: Lane, run: Run | None, sight: ViewedAt) -> list[ClockBar]:
    """The clocks of the run that holds a lane; none where nothing does. ``run`` None: its limits are not known yet."""
    if lane.held_ms is None:
        return []
    held, left = sight.age(lane.held_ms), sight.left(lane.deadline_ms)
    found = [ClockBar("run", held, None if left is None else held + left), _stall(lane, run, sight)]
    if lane.heartbeat_age_ms is not None:
        found.append(_beat(lane.heartbeat_age_ms, lane, run, sight))
    if run is not None and run.abort is not None:
        found.append(ClockBar("grace", max(0, sight.wall - run.abort.at), run.abort.grace_ms, "abort asked"))
    return found


def _stall(lane: Lane, run: Run | None, sight: ViewedAt) -> ClockBar:
    busy = None if run is None else sight.left(run.busy_ms)
    acting = lane.acts_next
    # the limit of a provider acts before the stall clock, which begins again after it
    if acting is not None and acting.provider is not None:
        then = "" if acting.next_provider is None else f", then {acting.next_provider}"
        note = f"{acting.limit} of {acting.provider} ({acting.attempt} of {acting.attempts}){then}"
        return ClockBar("asks", sight.age(acting.limit_ms - acting.left_ms), acting.limit_ms, note)
    note = f"busy for {words.short(busy)}" if busy is not None and busy > 0 else lane.progress or ""
    return ClockBar("stall", sight.age(lane.progress_age_ms or 0), lane.stall_limit_ms, note)


def _beat(beat_ms: int, lane: Lane, run: Run | None, sight: ViewedAt) -> ClockBar:
    note = "" if lane.owner is None or lane.owner.alive else "dead or silent"
    return ClockBar("beat", sight.age(beat_ms), None if run is None else run.stale_after_ms, note)


def stacked(shown: list[ClockBar], width: int) -> list[Content]:
    """One clock under the other, with bars as long as there is room."""
    labels = [clock.label() for clock in shown]
    room = width - _NAME - 2 - max((len(each) for each in labels), default=0)
    length = max(_LEAST, min(_MOST, room))
    return [
        text.line((clock.name.ljust(_NAME), "muted"), *_bar(clock, length), f"  {each}")
        for clock, each in zip(shown, labels, strict=True)
    ]


def abreast(shown: list[ClockBar], width: int) -> Content:
    """All clocks on one line; bars only where there is room for them."""
    short = [f" {words.short(c.spent_ms)}/{'-' if c.limit_ms is None else words.short(c.limit_ms)}" for c in shown]
    used = sum(len(clock.name) + 1 + len(each) for clock, each in zip(shown, short, strict=True))
    length = min(16, (width - used) // max(1, len(shown)) - 2)
    pieces = [
        text.line((f"{clock.name} ", "muted"), *_bar(clock, length), (each, clock.tone if clock.share >= 0.5 else ""))
        for clock, each in zip(shown, short, strict=True)
    ]
    return text.joined(pieces)


def _bar(clock: ClockBar, length: int) -> tuple[text.Part, ...]:
    if length < 3:
        return ()
    full = min(length, round(clock.share * length))
    return (FULL * full, clock.tone), (REST * (length - full), "muted")
