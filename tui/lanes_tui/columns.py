"""The columns of the lanes table: how wide each is on a screen of some width, and what it says of a lane."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from textual.content import Content

from lanes_storage.moment import Now
from lanes_tui import text, words
from lanes_tui.records import Lane, Run

#: A head that waits longer than this is worth a look.
LONG_WAIT_MS = 30_000
#: A run without a limit that has gone on for longer, as well.
LONG_HOLD_MS = 300_000


@dataclass(frozen=True, slots=True)
class Sight:
    """When a record is looked at: the wall time, and how much time has passed since it was read."""

    wall: int
    passed_ms: int

    @classmethod
    def of(cls, at: Now, now: Now) -> "Sight":
        """The sight, at ``now``, of what was read at ``at``."""
        return cls(now.wall, max(0, now.mono - at.mono))

    def moment(self, at: int) -> str:
        """A time of day, with its date where that is not today's."""
        return words.moment(at, self.wall)

    def age(self, ms: int) -> int:
        """An age by now."""
        return ms + self.passed_ms

    def left(self, ms: int | None) -> int | None:
        """What is left of a duration by now; negative once it is over. None stays None."""
        return None if ms is None else ms - self.passed_ms


class Column(NamedTuple):
    """A column as it is laid out."""

    title: str
    x: int
    width: int
    right: bool

    def fit(self, content: Content) -> Content:
        """The content, exactly as wide as the column."""
        return text.fitted(content, self.width, right=self.right)


class _Plan(NamedTuple):
    """The fixed widths on screens of at least so many cells; a column that is missing is not shown."""

    least: int
    gap: int
    widths: dict[str, int]


#: Widest first. LANE and LAST ERROR share what is left.
_PLANS = (
    _Plan(150, 2, {"STATE": 11, "HELD": 7, "BEAT": 6, "QUEUE": 6, "WAIT": 7, "OWNER": 22}),
    _Plan(110, 2, {"STATE": 11, "HELD": 6, "BEAT": 5, "QUEUE": 5, "WAIT": 6, "OWNER": 14}),
    _Plan(76, 1, {"STATE": 11, "HELD": 6, "BEAT": 4, "QUEUE": 5, "WAIT": 6, "OWNER": 7}),
    _Plan(56, 1, {"STATE": 11, "HELD": 6, "QUEUE": 5, "WAIT": 6}),
    _Plan(0, 1, {"STATE": 9, "HELD": 6}),
)
ORDER = ("STATE", "LANE", "HELD", "BEAT", "QUEUE", "WAIT", "OWNER", "LAST ERROR")
_RIGHT = frozenset({"HELD", "BEAT", "QUEUE", "WAIT"})
#: A last error needs this much to say anything.
_LEAST_ERROR = 12
#: No key needs more than this before the errors have what they need.
_MOST_LANE = 72


def lay_out(width: int, *, margin: int = 2) -> tuple[Column, ...]:
    """The columns on a screen of ``width`` cells, of which ``margin`` are kept free on the left."""
    plan = next(plan for plan in _PLANS if width >= plan.least)
    names = [name for name in ORDER if name in plan.widths or name in ("LANE", "LAST ERROR")]
    left = width - margin - 1 - sum(plan.widths.values()) - plan.gap * (len(names) - 1)
    error = max(_LEAST_ERROR, left - _MOST_LANE, left * 2 // 5)
    if left - error < _LEAST_ERROR:
        names.remove("LAST ERROR")
        error, left = 0, left + plan.gap
    widths = plan.widths | {"LANE": max(4, left - error), "LAST ERROR": error}
    columns = []
    x = margin
    for name in names:
        columns.append(Column(name, x, widths[name], name in _RIGHT))
        x += widths[name] + plan.gap
    return tuple(columns)


def cells(lane: Lane, sight: Sight, columns: tuple[Column, ...]) -> tuple[Content, ...]:
    """What each column says of a lane, cut and padded to its width."""
    return tuple(column.fit(_CELLS[column.title](lane, sight, column.width)) for column in columns)


def plain(title: str, lane: Lane, sight: Sight) -> str:
    """What a column says, whole and without colour."""
    return _CELLS[title](lane, sight, 10_000).plain


def _state(lane: Lane, sight: Sight, width: int) -> Content:
    look = words.look_of(lane, sight.wall)
    paused = words.is_paused(lane.pause, sight.wall) and look.word not in ("paused", "aborting")
    mark = (f" {words.PAUSED.symbol}", words.PAUSED.tone) if paused and width > 9 else ""
    return text.line((f"{look.symbol} {look.word}", look.tone), mark)


def _lane(lane: Lane, sight: Sight, width: int) -> Content:
    return text.line((text.in_the_middle(lane.key, width), "strong"))


def _held(lane: Lane, sight: Sight, width: int) -> Content:
    if lane.run is None:
        return text.line(("-", "muted"))
    return text.line((words.short(sight.age(lane.run.held_ms)), _tone_of_hold(lane.run, sight)))


def _tone_of_hold(run: Run, sight: Sight) -> str:
    """A run past its limit is bad, one past half of it worth a look, and so is a long one without a limit."""
    held, left = sight.age(run.held_ms), sight.left(run.left_ms)
    if left is None:
        return "warn" if held > LONG_HOLD_MS else ""
    return "bad" if left < 0 else "warn" if held > left else ""


def _beat(lane: Lane, sight: Sight, width: int) -> Content:
    if lane.run is None or lane.owner is None or lane.run.beat_ms is None:
        return text.line(("-", "muted"))
    age = words.short(sight.age(lane.run.beat_ms))
    if lane.owner.alive:
        return text.line((age, "muted"))
    return text.line((age + ("!" if len(age) < width else ""), "bad"))


def _queue(lane: Lane, sight: Sight, width: int) -> Content:
    if not lane.queued:
        return text.line(("-", "muted"))
    return text.line(words.number(lane.queued))


def _wait(lane: Lane, sight: Sight, width: int) -> Content:
    if not lane.queued or lane.head_wait_ms is None:
        return text.line(("-", "muted"))
    age = sight.age(lane.head_wait_ms)
    return text.line((words.short(age), "warn" if age > LONG_WAIT_MS else ""))


def _owner(lane: Lane, sight: Sight, width: int) -> Content:
    if lane.owner is None:
        return text.line(("-", "muted"))
    pid = str(lane.owner.pid)
    room = width - len(pid) - 1
    whole = f"{text.in_the_middle(lane.owner.host, room)}:{pid}" if room >= 5 else pid
    return text.line((whole, "muted" if lane.owner.alive else "bad"))


def _error(lane: Lane, sight: Sight, width: int) -> Content:
    if lane.last_error is not None:
        tone = words.LANES[lane.state].tone if lane.run is None else "muted"
        message = text.first_words(lane.last_error.message)
        parked = lane.parked_until
        if parked is not None and parked > sight.wall:
            return text.line((f"parked for {words.short(parked - sight.wall)}: {lane.last_error.cause}", tone))
        return text.line((lane.last_error.cause, tone), (f": {message}" if message else "", "muted"))
    if lane.pause is not None and words.is_paused(lane.pause, sight.wall):
        return text.line((f"paused: {lane.pause.reason}", "muted"))
    return text.EMPTY


_CELLS: dict[str, Callable[[Lane, Sight, int], Content]] = {
    "STATE": _state,
    "LANE": _lane,
    "HELD": _held,
    "BEAT": _beat,
    "QUEUE": _queue,
    "WAIT": _wait,
    "OWNER": _owner,
    "LAST ERROR": _error,
}
