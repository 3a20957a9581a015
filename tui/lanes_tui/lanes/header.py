"""The header of the main screen: the source, how fresh its data is, counts and alarms."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from lanes.records import SourceDetail, Status
from lanes_storage.clock import Now
from lanes_storage.law import LaneState
from lanes_tui.display import text, words
from lanes_tui.lanes.board import Board, Picture
from lanes_tui.widgets.sheet import Sheet
from lanes_tui.widgets.standing import Freshness, standing
from lanes_tui.widgets.trends import QUEUE, Trends

#: On screens narrower than this, alarms are short.
_WORDY = 98
#: The weight of what goes wrong just now: it matters more than the words for the states or the age of the oldest head.
_URGENT = 6
#: On screens narrower than this, the time is not shown.
_WITH_TIME = 70


class _Piece(NamedTuple):
    """A part of a line, and its weight: without room for all, the lightest parts are left out."""

    weight: int
    content: Content


class Header(Vertical):
    """Two lines, brought up to date every second. The time is a widget of its own: it alone changes every second."""

    def __init__(self) -> None:
        super().__init__()
        self._about, self._as_of, self._counts = Sheet(id="about-all"), Sheet(id="as-of"), Sheet(wrap=True, id="counts")

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield self._about
            yield self._as_of
        yield self._counts

    def show(self, board: Board, freshness: Freshness, trends: Trends) -> None:
        """Bring the lines up to date."""
        now, width = board.source.now(), self.size.width
        as_of = freshness.as_of if width >= _WITH_TIME else text.EMPTY
        size = as_of.cell_length
        self._as_of.styles.width = size + 1 if size else 0
        self._as_of.show([as_of])
        self._about.show([_first(board, freshness, now, width - (size + 3 if size else 0))])
        lost = text.line((freshness.lost or "", "bad"))
        counts = (
            lost if freshness.lost or board.picture is None else _counts(board, board.picture, trends, now, width - 2)
        )
        self._counts.show([counts])

    @property
    def plain(self) -> str:
        """The text that is shown, without styles."""
        return f"{self._about.plain.rstrip()}  {self._as_of.plain}".rstrip() + f"\n{self._counts.plain}"


def _first(board: Board, freshness: Freshness, now: Now, width: int) -> Content:
    picture, source = board.picture, board.source
    mode = ("read-only", "warn") if source.read_only or freshness.replaced else ("rw", "muted")
    right = _joined(
        [
            _Piece(11, standing(source, board.pauses, now, board.size.width)),
            _Piece(10, freshness.word(now)),
            _Piece(4, text.line(mode)),
            *([] if picture is None else _totals(picture, len(board.marks))),
        ],
        width - 18,
    )
    room = width - right.cell_length - 10
    about = [
        _Piece(5, text.EMPTY if picture is None else _gateways(picture.status.record)),
        _Piece(3, text.line((source.actor, "muted"))),
    ]
    rest = _joined(about, max(0, room - 12))
    name = text.in_the_middle(source.name, max(8, room - rest.cell_length - (2 if rest.plain else 0)))
    left = text.joined([text.line((" lanes", "accent"), (" │ ", "muted"), (name, "strong")), rest])
    gap = width - left.cell_length - right.cell_length - 1
    return text.fitted(text.line(left, " " * max(1, gap), right), width)


def _counts(board: Board, picture: Picture, trends: Trends, now: Now, width: int) -> Content:
    read_at, status = picture.status
    sparks = trends.sparks()
    alarms = _alarms(picture, width, muted=board.settings.muted)
    states = _states(status, sparks)
    waiting = _waiting(status, sparks, now.mono - read_at.mono)
    troubles = _troubles(status, trends.failures(), now, width)
    # no state is left out: if what is wrong needs the room, first the bars of the states go, then their words
    if _width([*states, *alarms, *waiting, *troubles]) > width:
        states, waiting = _states(status, {}), _waiting(status, {}, now.mono - read_at.mono)
    if _width([*states, *alarms, *_urgent(troubles)]) > width:
        states = _states(status, {}, worded=False)
    if len(status.cooldowns) > 1 and _width([*states, *alarms, *_urgent(troubles)]) > width:
        troubles = _troubles(status, trends.failures(), now, width, together=True)
    return _joined([*states, *alarms, *waiting, *troubles], width)


def _width(pieces: Sequence[_Piece]) -> int:
    return sum(piece.content.cell_length + 2 for piece in pieces)


def _urgent(pieces: Sequence[_Piece]) -> list[_Piece]:
    return [piece for piece in pieces if piece.weight >= _URGENT]


def _joined(pieces: Sequence[_Piece], width: int) -> Content:
    """The pieces on one line, in their order: as many as fit, chosen by weight."""
    kept: list[_Piece] = []
    used = 0
    for piece in sorted(pieces, key=lambda piece: -piece.weight):
        size = piece.content.cell_length + (2 if kept else 0)
        if piece.content.plain and used + size <= width:
            used += size
            kept.append(piece)
    return text.joined(piece.content for piece in pieces if any(piece is each for each in kept))


def _totals(picture: Picture, marked: int) -> list[_Piece]:
    everything, matching = picture.everything, picture.window.total
    pieces = [_Piece(7, text.line(("│ all ", "muted"), words.number(everything)))]
    if matching != everything:
        pieces.append(_Piece(8, text.line(("match ", "muted"), words.number(matching))))
    if marked:
        hidden = (f" ({words.number(picture.hidden)} hidden)", "warn") if picture.hidden else ""
        pieces.append(_Piece(9, text.line(("marked ", "muted"), (words.number(marked), "mark"), hidden)))
    return pieces


def _gateways(status: Status) -> Content:
    living = [gateway for gateway in status.gateways if gateway.alive]
    dead = len(status.gateways) - len(living)
    stopped = sum(gateway.is_stopped for gateway in living)
    draining = sum(gateway.draining is not None for gateway in living)
    if not living:  # an alarm says so
        return text.EMPTY
    count = words.counted(len(living), "gateway")
    return text.line(
        (count, "muted"),
        (f", {draining} draining" if draining else "", "warn"),
        (f", {stopped} stopped" if stopped else "", "bad"),
        (f", {dead} dead" if dead else "", "bad"),
    )


def _states(status: Status, sparks: Mapping[str, Content], *, worded: bool = True) -> list[_Piece]:
    pieces = []
    for state in LaneState:
        look = words.LANES[state]
        sign = f"{look.symbol} {look.word}" if worded else look.symbol
        count = text.line((sign, look.tone), f" {words.number(status.counts.lanes.get(state, 0))}")
        pieces.append(_Piece(9, text.joined([count, sparks.get(state, text.EMPTY)], " ")))
    if status.counts.paused:
        pieces.append(_Piece(7, text.line(words.PAUSED.label, f" {words.number(status.counts.paused)}")))
    return pieces


def _waiting(status: Status, sparks: Mapping[str, Content], passed_ms: int) -> list[_Piece]:
    counts = status.counts
    count = text.line(("queue ", "muted"), words.number(counts.messages.queued))
    pieces = [_Piece(8, text.joined([count, sparks.get(QUEUE, text.EMPTY)], " "))]
    if counts.oldest_head_ms is not None:
        age = counts.oldest_head_ms + passed_ms
        pieces.append(_Piece(5, text.line(("oldest ", "muted"), (words.short(age), "warn" if age > 30_000 else ""))))
    return pieces


def _alarms(picture: Picture, width: int, *, muted: bool) -> list[_Piece]:
    status, silent = picture.status.record, picture.silences.record.total
    pieces = []
    if not any(gateway.alive for gateway in status.gateways):
        dead = f", {len(status.gateways)} dead" if status.gateways else ""
        alarm = "⚠ no gateway" if width < _WORDY else f"⚠ no living gateway{dead}"
        pieces.append(_Piece(10, text.line((alarm, "bad"))))
    if silent:
        bell = (" muted", "muted") if muted else ""
        pieces.append(_Piece(10, text.line((f"⚠ silent {words.number(silent)}", "bad"), bell)))
    if status.counts.silent:
        pieces.append(_Piece(8, text.line((f"⚠ no beat {words.number(status.counts.silent)}", "bad"))))
    if status.counts.ghosts:
        pieces.append(_Piece(8, text.line((words.counted(status.counts.ghosts, "ghost"), "bad"))))
    return pieces


def _source(source: SourceDetail, now: Now) -> Content:
    """``openclaw hung 5m``: another program's gateway, whose lanes may be outdated."""
    state = f"{source.state} {words.short(now.wall - source.since)}" if source.watched else "not watched"
    return text.line((f"⚠ {text.in_the_middle(source.name, 20)} {state}", "bad"))


def _troubles(status: Status, failures: str, now: Now, width: int, *, together: bool = False) -> list[_Piece]:
    """What is wrong. ``together``: providers that cool are counted, with the time until the first is asked again."""
    pieces = [_Piece(7, _source(source, now)) for source in status.sources if not source.well]
    if failures:
        pieces.append(_Piece(_URGENT, text.line((failures, "errored"))))
    if together:
        left = words.short(min(each.until for each in status.cooldowns) - now.wall)
        content = text.line((f"{len(status.cooldowns)} providers cool {left}", "warn"))
        pieces.append(_Piece(_URGENT, content))
    for cooling in () if together else status.cooldowns:
        left = words.short(cooling.until - now.wall)
        cause = "" if width < _WORDY else f" ({cooling.cause})"
        content = text.line((f"{text.in_the_middle(cooling.provider, 20)} cools {left}", "warn"), (cause, "muted"))
        pieces.append(_Piece(_URGENT, content))
    if status.counts.unlimited:
        pieces.append(_Piece(3, text.line((f"{words.number(status.counts.unlimited)} without limit", "warn"))))
    letters = status.counts.messages.dead_letters
    if letters:
        pieces.append(_Piece(4, text.line((words.counted(letters, "dead letter"), "errored"))))
    return pieces
