"""The columns of the lanes table: their widths on a screen, and what their cells say of a lane."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from textual.content import Content

from lanes.explain.phrases import is_paused
from lanes.records import Lane, Silence, WatchedLane
from lanes.text.amounts import dollars
from lanes_storage.clock import Now
from lanes_storage.law import MAX_INTERRUPTIONS, SourceState, WatchedState
from lanes_storage.records import LaneSort
from lanes_tui.display import text, words

#: The content of a cell: texts, with or without a tone.
CellParts = tuple[str | tuple[str, str], ...]
_NOTHING: CellParts = ()
#: A head that waits longer than this gets a warning colour.
LONG_WAIT_MS = 30_000
#: The same for a run without a limit.
LONG_HOLD_MS = 300_000
#: The steps of ages below a minute in columns where seconds do not matter: each new value costs a repaint.
STEP_MS = 5_000


@dataclass(frozen=True, slots=True)
class ViewedAt:
    """The moment for which records are shown: the wall time, and the time that has passed since they were read.

    ``silent``: the silent runs by id, with their ages as of the read.
    """

    wall: int
    passed_ms: int
    silent: Mapping[int, Silence] = field(default_factory=dict)

    @classmethod
    def of(cls, at: Now, now: Now, silent: Mapping[int, Silence] | None = None) -> "ViewedAt":
        """The moment ``now`` for records that were read at ``at``."""
        return cls(now.wall, max(0, now.mono - at.mono), silent or {})

    def moment(self, at: int) -> str:
        """A time of day, with its date if that is not today."""
        return words.moment(at, self.wall)

    def age(self, ms: int) -> int:
        """An age at this moment, from the age as of the read."""
        return ms + self.passed_ms

    def left(self, ms: int | None) -> int | None:
        """What is left of a duration at this moment; negative once it is over. None for None."""
        return None if ms is None else ms - self.passed_ms


class Column(NamedTuple):
    """A column as it is laid out: ``x`` is its first cell."""

    title: str
    x: int
    width: int
    right: bool

    def fit(self, content: Content) -> Content:
        """The content, exactly as wide as the column."""
        return text.fitted(content, self.width, right=self.right)


class ColumnKind(NamedTuple):
    """A column: its widths on narrow, usual and wide screens (0: the rest), and the order that it sorts by.

    ``cell`` returns the content of a cell of some width.
    """

    widths: tuple[int, int, int]
    right: bool
    sort: LaneSort
    cell: Callable[[Lane, ViewedAt, int], CellParts]


#: The default columns.
USUAL = ("STATE", "LANE", "SILENT", "HELD", "BEAT", "QUEUE", "WAIT", "OWNER", "LAST ERROR")
#: The order in which columns are dropped if there is not enough room. LANE and STATE are never dropped.
_GIVES_WAY = ("EPOCH", "CHANGED", "TRY", "COST", "OWNER", "LAST ERROR", "WAIT", "BEAT", "QUEUE", "HELD", "SILENT")
#: These give way to longer keys too.
_SPARE = frozenset({"EPOCH", "CHANGED", "TRY", "COST", "OWNER"})
_WISHED_LANE = 40
#: Cells before the first column: the cursor, the mark, a space.
MARGIN = 3
#: The least width in which an error says anything, and a key can be told from others.
_LEAST_ERROR = 16
_LEAST_LANE = 22
#: The least width for the text after a cause, with its colon.
_LEAST_MORE = 8
#: The length that is assumed for the longest key if the keys are not known.
_MOST_LANE = 72


def lay_out(width: int, chosen: tuple[str, ...] = USUAL, longest: int = _MOST_LANE) -> tuple[Column, ...]:
    """The chosen columns on a screen of ``width`` cells: as many of them as there is room for.

    ``longest``: the cells that the longest key takes; LAST ERROR gets what LANE does not need.
    """
    names = [name for name in ORDER if name in chosen or name == "LANE"]
    size = 0 if width < 100 else 1 if width < 150 else 2
    gap = 1 if width < 100 else 2
    for name in _GIVES_WAY:
        lane = max(_LEAST_LANE, min(longest, _WISHED_LANE)) if name in _SPARE else _LEAST_LANE
        if _left(names, width, size, gap) >= lane + (_LEAST_ERROR if "LAST ERROR" in names else 0):
            break
        if name in names:
            names.remove(name)
    left = _left(names, width, size, gap)
    error = 0
    if "LAST ERROR" in names:
        error = min(max(_LEAST_ERROR, left - max(longest, _LEAST_LANE)), left - _LEAST_LANE)
    widths = {name: KINDS[name].widths[size] for name in names} | {"LANE": max(4, left - error), "LAST ERROR": error}
    columns = []
    x = MARGIN
    for name in names:
        columns.append(Column(name, x, widths[name], KINDS[name].right))
        x += widths[name] + gap
    return tuple(columns)


def _left(names: list[str], width: int, size: int, gap: int) -> int:
    """The width that the columns of fixed width leave to LANE and LAST ERROR."""
    return width - MARGIN - 1 - sum(KINDS[name].widths[size] for name in names) - gap * (len(names) - 1)


def cells_of(lane: Lane, sight: ViewedAt, columns: tuple[Column, ...]) -> tuple[CellParts, ...]:
    """The cells of a lane: cheap to make and to compare, and laid out only when they are painted."""
    return tuple(KINDS[column.title].cell(lane, sight, column.width) for column in columns)


def plain(title: str, lane: Lane, sight: ViewedAt) -> str:
    """The whole text of a cell, without colour."""
    return text.line(*KINDS[title].cell(lane, sight, 10_000)).plain


def _state(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    look = words.look_of(lane, sight.wall)
    paused = is_paused(lane.paused, sight.wall) and look.word not in ("paused", "aborting")
    space = " " if width > 10 else ""
    mark = (f"{space}{words.PAUSED.symbol}", words.PAUSED.tone) if paused and width > 9 else ""
    return (look.label, mark)


def _lane(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    return ((text.in_the_middle(lane.key, width), "strong"),)


def _held(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    if lane.held_ms is None:
        return _NOTHING
    held = sight.age(lane.held_ms)
    return ((words.short(held), _tone_of_hold(held, sight.left(lane.deadline_ms))),)


def _tone_of_hold(held: int, left: int | None) -> str:
    """A run past its limit is an error; one past half of it, or a long one without a limit, is a warning."""
    if left is None:
        return "warn" if held > LONG_HOLD_MS else ""
    return "bad" if left < 0 else "warn" if held > left else ""


def _silent(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    """How long a run has shown no progress; for a silent one also the limit that acts first, if there is room."""
    if lane.progress_age_ms is None:
        return _NOTHING
    silence = None if lane.run_id is None else sight.silent.get(lane.run_id)
    if silence is None or 2 * lane.progress_age_ms < silence.silent_ms:  # it has shown progress since
        return ((_in_steps(sight.age(lane.progress_age_ms)), "muted"),)
    silent_ms, limit_ms = sight.age(silence.silent_ms), silence.limit_ms
    age, limit = _in_steps(silent_ms), "off" if limit_ms is None else words.short(limit_ms).removesuffix("00m")
    cell = f"{age}/{limit}" if len(f"{age}/{limit}") <= width else f"{age}!"
    return ((cell, "bad" if limit_ms is not None and silent_ms >= limit_ms else "warn"),)


def _in_steps(ms: int) -> str:
    return words.short(ms // STEP_MS * STEP_MS) if ms >= STEP_MS else "<5s"


def _beat(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    if lane.owner is None or lane.heartbeat_age_ms is None:
        return _NOTHING
    ms = sight.age(lane.heartbeat_age_ms)
    if lane.owner.alive:  # in steps, so that a healthy owner does not change its lines every second
        return ((_in_steps(ms), "muted"),)
    age = words.short(ms)
    return ((age + ("!" if len(age) < width else ""), "bad"),)


def _queue(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    if not lane.queued:
        return _NOTHING
    return (words.number(lane.queued),)


def _wait(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    if not lane.queued or lane.head_wait_ms is None:
        return _NOTHING
    age = sight.age(lane.head_wait_ms)
    return ((words.short(age), "warn" if age > LONG_WAIT_MS else ""),)


def _owner(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    if lane.owner is None:
        return _NOTHING
    pid = str(lane.owner.pid)
    room = width - len(pid) - 1
    whole = f"{text.in_the_middle(lane.owner.host, room)}:{pid}" if room >= 5 else pid
    return ((whole, "muted" if lane.owner.alive else "bad"),)


def _try(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    """How often the message that runs, or waits first, was interrupted, and how often it may be."""
    if not lane.interruptions:
        return _NOTHING
    tone = "bad" if lane.interruptions >= MAX_INTERRUPTIONS - 1 else "warn"
    return ((f"{lane.interruptions}/{MAX_INTERRUPTIONS}", tone),)


def _cost(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    """What its runs cost; the tokens where no price is known."""
    used = lane.used
    if used is None:
        return _NOTHING
    if used.cost_usd is not None:
        return (dollars(round(used.cost_usd * 1e6)),)
    return ((f"{words.brief(used.input_tokens + used.output_tokens)} tok", "muted"),)


def _epoch(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    return ((words.number(lane.epoch), "muted"),)


def _changed(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    return ((words.short(sight.wall - lane.updated_at), "muted"),)


def _error(lane: Lane, sight: ViewedAt, width: int) -> CellParts:
    if lane.question is not None:
        return (("asks: ", words.AWAITING.tone), text.first_words(lane.question.text))
    if lane.seen is not None and lane.run_id is None:
        return _elsewhere(lane.seen, sight)
    error = lane.last_error
    if lane.parked_until is not None and lane.parked_until > sight.wall:
        again = (f"again in {words.short(lane.parked_until - sight.wall)}", words.PARKED.tone)
        return (again, *_behind(again[0], "" if error is None else error.cause, words.PARKED.tone, width))
    if error is not None:
        tone = words.look_of_state(lane.state).tone if lane.run_id is None else "muted"
        return ((error.cause, tone), *_behind(error.cause, text.first_words(error.message), "muted", width))
    if lane.paused is not None and is_paused(lane.paused, sight.wall):
        return ((f"paused: {lane.paused.reason}", "muted"),)
    return ()


def _behind(said: str, more: str, tone: str, width: int) -> CellParts:
    """The text after ``said``; nothing if hardly any of it would fit."""
    return ((f": {more}", tone),) if more and width - len(said) >= _LEAST_MORE else _NOTHING


def _elsewhere(seen: WatchedLane, sight: ViewedAt) -> CellParts:
    """What is to be said of a lane in another program's gateway."""
    clauses = []
    if seen.state is WatchedState.STALE:
        clauses.append("its row says running, but nothing runs")
    if seen.gateway is not SourceState.CONNECTED:
        since = seen.gateway_since
        lasts = "" if since is None else f" for {words.short(sight.wall - since)}"
        clauses.append(f"gateway {seen.gateway}{lasts}{', read from its files' if seen.from_files else ''}")
    if not clauses:
        return ((seen.outcome or "", "muted"),)
    return ((", ".join(clauses), "warn"),)


#: All columns, from left to right. LANE and LAST ERROR share the width that the others leave.
KINDS: dict[str, ColumnKind] = {
    "STATE": ColumnKind((10, 11, 11), False, LaneSort.STATE, _state),
    "LANE": ColumnKind((0, 0, 0), False, LaneSort.LANE, _lane),
    "SILENT": ColumnKind((7, 8, 9), True, LaneSort.SILENT, _silent),
    "HELD": ColumnKind((6, 6, 7), True, LaneSort.HELD, _held),
    "BEAT": ColumnKind((5, 6, 7), True, LaneSort.BEAT, _beat),
    "QUEUE": ColumnKind((6, 6, 7), True, LaneSort.QUEUE, _queue),
    "WAIT": ColumnKind((6, 6, 7), True, LaneSort.WAIT, _wait),
    "OWNER": ColumnKind((7, 11, 22), False, LaneSort.OWNER, _owner),
    "TRY": ColumnKind((4, 4, 4), True, LaneSort.TRY, _try),
    "COST": ColumnKind((7, 8, 9), True, LaneSort.COST, _cost),
    "EPOCH": ColumnKind((8, 8, 9), True, LaneSort.EPOCH, _epoch),
    "CHANGED": ColumnKind((8, 8, 8), True, LaneSort.CHANGED, _changed),
    "LAST ERROR": ColumnKind((0, 0, 0), False, LaneSort.ERROR, _error),
}
ORDER = tuple(KINDS)
