"""The header: what is looked at, how fresh that is, and how much there is of everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from lanes.records import SourceDetail, Status
from lanes_storage.clock import Now
from lanes_storage.law import LaneState
from lanes_tui.display import text, words
from lanes_tui.sources.source import AsOf
from lanes_tui.widgets.sheet import Sheet
from lanes_tui.widgets.trends import QUEUE

#: A look that is older than this many of its periods is not called live any more.
_LATE = 2.5
#: On screens of less than that, alarms are short.
_WORDY = 100
#: On narrower screens the time is not shown.
_WITH_TIME = 70


@dataclass(frozen=True, slots=True)
class Freshness:
    """When the source was last read, and whether it can be read no more, or is another one."""

    at: Now | None = None
    lost: str | None = None  # why
    replaced: bool = False  # by another source than at the start
    frozen: bool = False
    every_s: float = 1.0
    pending: int = 0  # events since it was frozen

    def content(self, now: Now) -> Content:
        """``● live  as of 14:02:07Z``."""
        return text.joined([self.word(now), self.as_of])

    @property
    def as_of(self) -> Content:
        """When what is shown was true."""
        if self.at is None:
            return text.EMPTY
        return text.line(("as of ", "muted"), words.zoned(self.at.wall))

    def word(self, now: Now) -> Content:
        """``● live``, ``❚❚ frozen 12s``, ``◌ stale 12s`` …"""
        if self.at is None:
            return text.line(("◌ not reached yet", "bad") if self.lost else ("◌ reading", "muted"))
        age = now.mono - self.at.mono
        if self.lost is not None:
            return text.line((f"◌ stale {words.short(age)}", "bad"))
        if self.replaced:
            return text.line(("◐ another file", "bad"))
        if self.frozen:
            pending = f", {words.counted(self.pending, 'event')} pending" if self.pending else ""
            return text.line((f"❚❚ frozen {words.short(age)}{pending}", "warn"))
        if age > _LATE * max(1.0, self.every_s) * 1000:
            return text.line((f"◐ slow {words.short(age)}", "warn"))
        every = (f" every {self.every_s:g}s", "muted") if self.every_s != 1 else ""
        return text.line(("● ", "good"), "live", every)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the header tells."""

    name: str
    actor: str
    read_only: bool
    status: AsOf[Status] | None = None
    freshness: Freshness = field(default_factory=Freshness)
    matching: int | None = None
    marked: int = 0
    hidden: int = 0
    failures: int = 0  # in the last minute
    silent: int = 0
    muted: bool = False
    #: What stands in red whatever else there is room for.
    standing: Content = text.EMPTY
    #: By state, a few small bars on how its number went of late. Empty where nothing is known.
    sparks: Mapping[str, Content] = field(default_factory=dict)

    @property
    def everything(self) -> int | None:
        """How many lanes there are: those of other programs are chosen, and not counted in the database."""
        known = None if self.status is None else sum(self.status.record.counts.lanes.values())
        return known if known is None else max(known, self.matching or 0)


class _Piece(NamedTuple):
    """Something to say, and how much it matters: where there is no room for all, the least goes first."""

    weight: int
    said: Content


class Header(Vertical):
    """Two lines that stay true to the second. The time has a place of its own: it alone changes every second."""

    def __init__(self) -> None:
        super().__init__()
        self._about, self._as_of, self._counts = Sheet(id="about-all"), Sheet(id="as-of"), Sheet(id="counts")

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield self._about
            yield self._as_of
        yield self._counts

    def tell(self, facts: Facts, now: Now) -> None:
        """Show this."""
        said = facts.freshness.as_of if self.size.width >= _WITH_TIME else text.EMPTY
        size = said.cell_length
        self._as_of.styles.width = size + 1 if size else 0
        self._as_of.show([said])
        self._about.show([_first(facts, now, self.size.width - (size + 3 if size else 0))])
        self._counts.show([_second(facts, now, self.size.width)])

    @property
    def plain(self) -> str:
        """What is shown, without its looks."""
        return f"{self._about.plain.rstrip()}  {self._as_of.plain}".rstrip() + f"\n{self._counts.plain}"


def _first(facts: Facts, now: Now, width: int) -> Content:
    mode = ("read-only", "warn") if facts.read_only else ("rw", "muted")
    right = _joined(
        [
            _Piece(11, facts.standing),
            _Piece(10, facts.freshness.word(now)),
            _Piece(4, text.line(mode)),
            *_totals(facts),
        ],
        width - 18,
    )
    status = None if facts.status is None else facts.status.record
    room = width - right.cell_length - 10
    about = [
        _Piece(5, text.EMPTY if status is None else _gateways(status)),
        _Piece(3, text.line((facts.actor, "muted"))),
    ]
    rest = _joined(about, max(0, room - 12))
    name = text.in_the_middle(facts.name, max(8, room - rest.cell_length - (2 if rest.plain else 0)))
    left = text.joined([text.line((" lanes", "accent"), (" │ ", "muted"), (name, "strong")), rest])
    gap = width - left.cell_length - right.cell_length - 1
    return text.fitted(text.line(left, " " * max(1, gap), right), width)


def _second(facts: Facts, now: Now, width: int) -> Content:
    seen, lost = facts.status, facts.freshness.lost
    if lost is not None:
        return text.line(" ", (lost, "bad"))
    if seen is None:
        return text.EMPTY
    status = seen.record
    alarms, sparks = _alarms(facts, status, width), facts.sparks
    states = _states(status, sparks)
    # every state counts: where there is no room for bars, words say enough, and at last signs do
    if _width(states) + _width(alarms) > width - 2:
        states = _states(status, {})
    if _width(states) + _width(alarms) > width - 2:
        states = _states(status, {}, worded=False)
    pieces = [*states, *alarms, *_waiting(status, sparks, now.mono - seen.at.mono), *_troubles(facts, status, now)]
    return text.line(" ", _joined(pieces, width - 2))


def _width(pieces: Sequence[_Piece]) -> int:
    return sum(piece.said.cell_length + 2 for piece in pieces)


def _joined(pieces: Sequence[_Piece], width: int, between: str = "  ") -> Content:
    """The pieces on one line: as many of them as fit, the weightiest first, in the order in which they came."""
    kept: list[_Piece] = []
    taken = 0
    for piece in sorted(pieces, key=lambda piece: -piece.weight):
        size = piece.said.cell_length
        if size and taken + size + (len(between) if kept else 0) <= width:
            taken += size + (len(between) if kept else 0)
            kept.append(piece)
    return text.joined([piece.said for piece in pieces if any(piece is each for each in kept)], between)


def _totals(facts: Facts) -> list[_Piece]:
    if facts.everything is None:
        return []
    pieces = [_Piece(7, text.line(("│ all ", "muted"), words.number(facts.everything)))]
    if facts.matching is not None and facts.matching != facts.everything:
        pieces.append(_Piece(8, text.line(("match ", "muted"), words.number(facts.matching))))
    if facts.marked:
        hidden = (f" ({words.number(facts.hidden)} hidden)", "warn") if facts.hidden else ""
        pieces.append(_Piece(9, text.line(("marked ", "muted"), (words.number(facts.marked), "mark"), hidden)))
    return pieces


def _gateways(status: Status) -> Content:
    living = [gateway for gateway in status.gateways if gateway.alive]
    dead = len(status.gateways) - len(living)
    draining = sum(gateway.draining is not None for gateway in living)
    if not living:  # an alarm
        return text.EMPTY
    said = words.counted(len(living), "gateway")
    return text.line(
        (said, "muted"),
        (f", {draining} draining" if draining else "", "warn"),
        (f", {dead} dead" if dead else "", "bad"),
    )


def _states(status: Status, sparks: Mapping[str, Content], *, worded: bool = True) -> list[_Piece]:
    pieces = []
    for state in LaneState:
        look = words.LANES[state]
        sign = f"{look.symbol} {look.word}" if worded else look.symbol
        count = text.line((sign, look.tone), f" {words.number(status.counts.lanes.get(state, 0))}")
        pieces += [_Piece(9, text.joined([count, sparks.get(state, text.EMPTY)], " "))]
    if status.counts.paused:
        look = words.PAUSED
        pieces.append(
            _Piece(7, text.line((f"{look.symbol} {look.word}", look.tone), f" {words.number(status.counts.paused)}"))
        )
    return pieces


def _waiting(status: Status, sparks: Mapping[str, Content], passed_ms: int) -> list[_Piece]:
    counts = status.counts
    count = text.line(("queue ", "muted"), words.number(counts.messages.queued))
    pieces = [_Piece(6, text.joined([count, sparks.get(QUEUE, text.EMPTY)], " "))]
    if counts.oldest_head_ms is not None:
        age = counts.oldest_head_ms + passed_ms
        pieces.append(_Piece(5, text.line(("oldest ", "muted"), (words.short(age), "warn" if age > 30_000 else ""))))
    return pieces


def _alarms(facts: Facts, status: Status, width: int) -> list[_Piece]:
    pieces = []
    if not any(gateway.alive for gateway in status.gateways):
        dead = f", {len(status.gateways)} dead" if status.gateways else ""
        said = "⚠ no gateway" if width < _WORDY else f"⚠ no living gateway{dead}"
        pieces.append(_Piece(10, text.line((said, "bad"))))
    if facts.silent:
        muted = (" muted", "muted") if facts.muted else ""
        pieces.append(_Piece(10, text.line((f"⚠ silent {words.number(facts.silent)}", "bad"), muted)))
    if status.counts.silent:
        pieces.append(_Piece(8, text.line((f"⚠ no beat {words.number(status.counts.silent)}", "bad"))))
    if status.counts.ghosts:
        pieces.append(_Piece(8, text.line((words.counted(status.counts.ghosts, "ghost"), "bad"))))
    return pieces


def _source(source: SourceDetail, now: Now) -> Content:
    """``openclaw hung 5m``: another program's gateway of which nothing true is shown."""
    said = f"{source.state} {words.short(now.wall - source.since)}" if source.watched else "not watched"
    return text.line((f"⚠ {text.in_the_middle(source.name, 20)} {said}", "bad"))


def _troubles(facts: Facts, status: Status, now: Now) -> list[_Piece]:
    pieces = [_Piece(7, _source(source, now)) for source in status.sources if not source.well]
    if facts.failures:
        pieces.append(_Piece(6, text.line((f"{words.number(facts.failures)} failed/min", "errored"))))
    for cooling in status.cooldowns:
        left = words.short(cooling.until - now.wall)
        said = text.line((f"{cooling.provider} cools {left}", "warn"), (f" ({cooling.cause})", "muted"))
        pieces.append(_Piece(4, said))
    if status.counts.unlimited:
        pieces.append(_Piece(3, text.line((f"{words.number(status.counts.unlimited)} without limit", "warn"))))
    letters = status.counts.messages.dead_letters
    if letters:
        pieces.append(_Piece(4, text.line((words.counted(letters, "dead letter"), "errored"))))
    return pieces
