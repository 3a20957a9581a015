"""The header: what is looked at, how fresh that is, and how much there is of everything."""

from dataclasses import dataclass

from textual.content import Content

from lanes_storage.law import LaneState
from lanes_storage.moment import Now
from lanes_tui import text, words
from lanes_tui.records import Status
from lanes_tui.widgets.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Freshness:
    """When the source was last read, and whether it can be read no more."""

    at: int | None = None  # wall time
    lost: str | None = None  # why

    def content(self) -> Content:
        """``● live 14:02:07Z`` or ``◌ stale since 14:02:07Z``."""
        if self.lost is None:
            return text.line(("● ", "good"), "live ", ("…" if self.at is None else f"{words.clock(self.at)}Z", "muted"))
        if self.at is None:
            return text.line(("◌ not reached yet", "bad"))
        return text.line((f"◌ stale since {words.clock(self.at)}Z", "bad"))


class Header(Sheet):
    """Two lines that stay true to the second."""

    def tell(self, name: str, status: Status | None, freshness: Freshness, now: Now, *, read_only: bool) -> None:
        """Show this."""
        width = self.scrollable_content_region.width
        mode = text.line(("read-only", "warn")) if read_only else text.EMPTY
        right = text.joined([mode, freshness.content()])
        gateways = text.EMPTY if status is None else _gateways(status)
        room = width - text.width_of(right) - text.width_of(gateways) - 14
        left = text.joined(
            [
                text.line((" lanes", "accent"), (" │ ", "muted"), text.in_the_middle(name, max(8, room))),
                gateways,
            ]
        )
        self.show([_spread(left, right, width), self._counts(status, freshness, now, width)])

    def _counts(self, status: Status | None, freshness: Freshness, now: Now, width: int) -> Content:
        if freshness.lost is not None and (status is None or width < 120):
            return text.line(" ", (freshness.lost, "bad"))
        if status is None:
            return text.EMPTY
        said = [text.line(" ", _states(status))]
        for piece in (*_messages(status, now), *_troubles(status, now)):
            longer = text.joined([*said, piece], "   ")
            if text.width_of(longer) < width:
                said.append(piece)
        if freshness.lost is not None:
            said.append(text.line((freshness.lost, "bad")))
        return text.joined(said, "   ")


def _spread(left: Content, right: Content, width: int) -> Content:
    gap = width - text.width_of(left) - text.width_of(right) - 1
    return text.line(left, " " * max(1, gap), right)


def _gateways(status: Status) -> Content:
    living = [gateway for gateway in status.gateways if gateway.alive]
    dead = len(status.gateways) - len(living)
    draining = sum(gateway.draining is not None for gateway in living)
    if not living:
        return text.line((f"no living gateway{f', {dead} dead' if dead else ''}", "bad"))
    said = words.counted(len(living), "gateway")
    return text.line(
        (said, "muted"),
        (f", {draining} draining" if draining else "", "warn"),
        (f", {dead} dead" if dead else "", "bad"),
    )


def _states(status: Status) -> Content:
    shown = [(words.LANES[state], status.lanes.get(state, 0)) for state in LaneState]
    shown.append((words.PAUSED, status.paused))
    pieces = []
    for look, count in shown:
        if look is words.PAUSED and not count:
            continue
        pieces.append(text.line((f"{look.symbol} {look.word}", look.tone), f" {words.number(count)}"))
    return text.joined(pieces)


def _messages(status: Status, now: Now) -> list[Content]:
    pieces = [text.line(("queue ", "muted"), words.number(status.queued))]
    if status.oldest_head_ms is not None:
        age = status.oldest_head_ms + now.mono - status.at.mono
        pieces.append(text.line(("oldest ", "muted"), (words.short(age), "warn" if age > 30_000 else "")))
    return pieces


def _troubles(status: Status, now: Now) -> list[Content]:
    pieces = []
    if status.ghosts:
        pieces.append(text.line((words.counted(status.ghosts, "ghost"), "bad")))
    if status.unlimited:
        pieces.append(text.line((f"{words.number(status.unlimited)} without limit", "warn")))
    if status.dead_letters:
        pieces.append(text.line((words.counted(status.dead_letters, "dead letter"), "errored")))
    for cooling in status.cooldowns:
        left = words.short(cooling.until - now.wall)
        pieces.append(text.line((f"{cooling.provider} cools {left}", "warn"), (f" ({cooling.cause})", "muted")))
    return pieces
