"""The owners: which process, whether it lives, what it holds, and whether it drains."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from lanes.records import OwnerDetail, Status
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.question import DialogChoice, Question
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.screens.watching import Watching
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Source
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.sheet import Sheet

_WIDTHS = (("OWNER", 6), ("PROCESS", 20), ("STATE", 18), ("BEAT", 6), ("HELD", 6), ("UP", 6), ("URL", 0))
_RIGHT = frozenset({"BEAT", "HELD", "UP"})


class OwnersScreen(Watching):
    """Lists the owners of the database, living and dead, and drains the gateway under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("drain", "drain", show=True)]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self._status: AsOf[Status] | None = None

    def body(self) -> ComposeResult:
        yield Sheet(id="owner-heads")
        yield Rows(id="owners")
        yield Pane(wrap=True, id="owner")

    def on_mount(self) -> None:
        heads = [_fitted(name, text.line((name, "head")), width) for name, width in _WIDTHS]
        self.query_one("#owner-heads", Sheet).show([text.line("  ", text.joined(heads))])

    def title_line(self) -> Content:
        return text.line(("owners ", "head"), ("the processes that may hold lanes of this database", "muted"))

    async def read(self) -> None:
        self._status = await self.source.status()

    def show(self) -> None:
        sight = self._sight()
        rows = [ListRow(key, _line(*known, sight)) for key, known in self._owners.items()]
        self.query_one(Rows).show(rows, text.line(("no gateway: `lanes status` says how to start one", "muted")))
        self._show_one()

    def _sight(self) -> ViewedAt:
        now = self.source.now()
        return ViewedAt.of(now if self._status is None else self._status.at, now)

    @property
    def _owners(self) -> dict[str, tuple[str, OwnerDetail]]:
        """By id; ``gateway`` or ``desk``, and the owner."""
        if self._status is None:
            return {}
        status = self._status.record
        known = [("gateway", owner) for owner in status.gateways] + [("desk", owner) for owner in status.desks]
        return {str(owner.id): (kind, owner) for kind, owner in known}

    @property
    def _chosen(self) -> tuple[str, OwnerDetail] | None:
        """The one under the cursor."""
        return self._owners.get(self.query_one(Rows).key or "")

    @on(Rows.Chosen)
    def _show_one(self) -> None:
        if not self.is_open:
            return
        chosen = self._chosen
        lines = [] if chosen is None else _whole(*chosen, self._sight())
        self.query_one("#owner", Sheet).show(lines)

    def action_drain(self) -> None:
        """Ask, then let it claim nothing more."""
        chosen = self._chosen
        if chosen is None or not self.may_act():
            return
        kind, gateway = chosen
        if kind == "desk":
            self.say(f"desk {gateway.id} holds for its own code, and claims nothing else: abort the lane", grave=True)
            return
        if not gateway.alive:
            self.say(f"gateway {gateway.id} does not live: what it held is taken back by the others", grave=True)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._drain(gateway.id)

        self.app.push_screen(_question(gateway), answered)

    @work
    async def _drain(self, owner_id: int) -> None:
        if await self.do(self.source.drain(owner_id)) is not None:
            self.say(f"gateway {owner_id} drains: it claims nothing more until it is started again")


def _question(gateway: OwnerDetail) -> Question[bool]:
    runs = f"It holds {words.counted(gateway.held, 'lane')}: each may end its run for 30 s, then it is cut and goes"
    lines = [
        text.line((f"{gateway.host}:{gateway.pid}", "strong"), (f"  gateway {gateway.id}", "muted")),
        text.line(runs + " on as its policy says." if gateway.held else "It holds nothing just now."),
        text.line(("It claims nothing more until its process is started again.", "warn")),
    ]
    choices = [DialogChoice(False, "Cancel"), DialogChoice(True, "Drain", "yes", grave=True)]
    return Question("Drain this gateway?", lines, choices, leave=False)


def _line(kind: str, gateway: OwnerDetail, sight: ViewedAt) -> Content:
    word, tone = _state(gateway, sight)
    beat = text.line((words.short(sight.age(gateway.heartbeat_age_ms)), "muted" if gateway.alive else "bad"))
    cells = {
        "OWNER": text.line(str(gateway.id)),
        "PROCESS": text.line((text.in_the_middle(f"{gateway.host}:{gateway.pid}", 20), "strong")),
        "STATE": text.line((word, tone)),
        "BEAT": beat,
        "HELD": text.line(words.number(gateway.held)),
        "UP": text.line((words.short(sight.wall - gateway.started_at), "muted")),
        "URL": text.line((gateway.url or ("desk" if kind == "desk" else "-"), "muted")),
    }
    return text.joined([_fitted(name, cells[name], width) for name, width in _WIDTHS])


def _fitted(name: str, content: Content, width: int) -> Content:
    return text.fitted(content, width, right=name in _RIGHT) if width else content


def _state(gateway: OwnerDetail, sight: ViewedAt) -> tuple[str, str]:
    if not gateway.alive:
        return "✖ dead or silent", "bad"
    if gateway.draining is not None:
        until = gateway.draining.until
        left = "" if until is None else f" {words.short(max(0, until - sight.wall))}"
        return f"▶ draining{left}", "warn"
    return "● alive", "good"


def _whole(kind: str, gateway: OwnerDetail, sight: ViewedAt) -> list[Content]:
    lines = [
        text.line((f"{kind.upper()} {gateway.id} ", "head"), (gateway.evidence, "" if gateway.alive else "bad")),
        text.line(("started ", "muted"), sight.moment(gateway.started_at), (f"  {gateway.url or 'no HTTP'}", "muted")),
    ]
    if gateway.draining is not None:
        until = "" if gateway.draining.until is None else f", runs may end until {sight.moment(gateway.draining.until)}"
        lines.append(text.line(("draining ", "warn"), f"by {gateway.draining.by}{until}"))
    return lines
