"""The owners as a table of their health: which process, whether it lives, how it does, what it holds."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from lanes.base.errors import LanesError
from lanes.records import OwnerDetail, OwnerHealth, Status
from lanes.verbs.system import drain
from lanes_storage.records import Comparison, Condition, How, LaneFilter
from lanes_tui.actions.acting import ACTIONS, OfferedAction
from lanes_tui.actions.keys import bind
from lanes_tui.actions.messages import FilterWanted
from lanes_tui.actions.subjects import LaneSubject, OwnerSubject
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.matching import row_filter
from lanes_tui.screens.marked import MarkedList
from lanes_tui.screens.watching import LANE_KEYS
from lanes_tui.sources.marks import MOST
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Lost, Source
from lanes_tui.tables.fixed import FixedColumn, FixedLayout
from lanes_tui.tables.rows import ListRow, Rows
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.sheet import Sheet

DRAIN = OfferedAction("drain", drain, "Drain {}", "Drain", grave=True)
_COLUMNS = (
    FixedColumn("OWNER", 7),
    FixedColumn("PROCESS", 18),
    FixedColumn("STATE", 16),
    *(FixedColumn(name, 6, right=True) for name in ("HELD", "SILENT", "FAIL/M", "BEAT")),
    FixedColumn("LAST ERROR", 18),
    *(FixedColumn(name, 6, right=True) for name in ("RUN/M", "ANSW/M", "FILES", "UP")),
    FixedColumn("URL", 0),
)
#: What an owner is filtered by.
FIELDS = ("owner", "process", "state", "kind", "held", "silent", "fail", "run", "answ", "error", "url")
#: So much of the descriptors a process may have is a warning.
_MANY_FILES = 0.8

Known = tuple[str, OwnerDetail, OwnerHealth | None]


class OwnersScreen(MarkedList):
    """Lists the owners of the database, the worst first, and drains the gateway under the cursor."""

    NAME = "owners"
    HINT = "filter: a host, state:dead silent:>0 held:>10"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "open_lanes", show=True),
        bind("drain", "drain", show=True),
        *LANE_KEYS,
        bind("retry", "do('retry')"),
    ]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self._heads = Sheet(id="owner-heads")
        self._whole = Pane(wrap=True, id="owner")
        self._status: AsOf[Status] | None = None
        self._health: dict[int, OwnerHealth] = {}
        self._everyone: dict[str, Known] = {}
        self._owners: dict[str, Known] = {}  # those that the filter chooses

    def body(self) -> ComposeResult:
        yield self.filter
        yield self._heads
        yield self.rows
        yield self._whole

    def title_line(self) -> Content:
        marked = (f"  {words.number(len(self.marks))} marked", "mark") if self.marks else ""
        return text.line(("owners ", "head"), ("the processes that may hold lanes of this database", "muted"), marked)

    async def read(self) -> None:
        self._status = await self.source.status()
        self._health = await self.source.owner_health()

    def show(self) -> None:
        assert self._status is not None, "it is read first"
        status, sight = self._status.record, self._sight()
        owners = [("gateway", owner) for owner in status.gateways] + [("desk", owner) for owner in status.desks]
        known = [(kind, owner, self._health.get(owner.id)) for kind, owner in owners]
        chosen = row_filter(self.typed, FIELDS)
        self._everyone = {str(each[1].id): each for each in sorted(known, key=_harm)}
        self._owners = {key: each for key, each in self._everyone.items() if chosen.fits(_facts(*each, sight))}
        layout = FixedLayout.of(_COLUMNS, self.size.width)
        self._heads.show([layout.heads()])
        rows = [ListRow(key, layout.line(_cells(*each, sight))) for key, each in self._owners.items()]
        nothing = "no owner fits the filter" if self.typed else "no gateway: `lanes status` says how to start one"
        self.rows.show(rows, text.line((nothing, "muted")))
        self.tell_filter(chosen.problem)
        self._show_one()

    def _sight(self) -> ViewedAt:
        now = self.source.now()
        return ViewedAt.of(now if self._status is None else self._status.at, now)

    @property
    def _chosen(self) -> Known | None:
        """The one under the cursor."""
        return self._owners.get(self.rows.key or "")

    @on(Rows.Chosen)
    def _show_one(self) -> None:
        chosen = self._chosen
        self._whole.show([] if chosen is None else _described(*chosen, self._sight()))

    def action_open_lanes(self) -> None:
        """The lanes that the owner holds, on the main screen."""
        if self._chosen is not None:
            self.app.post_message(FilterWanted(f"owner:{self._chosen[1].id}"))
            self.dismiss()

    # -------------------------------------------------------------------------------------- marking

    async def matching(self) -> Sequence[int]:
        return [int(key) for key in self._owners]

    async def between(self, began: int, ended: int) -> Sequence[int] | None:
        listed = list(await self.matching())
        if began not in listed or ended not in listed:
            return None
        first, last = sorted((listed.index(began), listed.index(ended)))
        return listed[first : last + 1]

    # --------------------------------------------------------------------------------------- acting

    @property
    def _meant(self) -> list[Known]:
        """What an action is for: the marked ones, or the one under the cursor."""
        marked = [self._everyone[key] for key in self.marks if key in self._everyone]
        return marked or ([] if self._chosen is None else [self._chosen])

    def action_do(self, name: str) -> None:
        """Act on every lane that these owners hold."""
        if self._meant and self.may_act():
            self._act_on_held(name, [owner.id for _, owner, _ in self._meant])

    @work(exclusive=True, group="lane action")
    async def _act_on_held(self, name: str, owners: Sequence[int]) -> None:
        held = LaneFilter((Condition("owner", tuple(Comparison(How.IS, str(each)) for each in owners)),))
        try:
            marks = await self.source.marks(held, MOST + 1)
        except (Lost, LanesError) as error:
            self.say(f"not done: {error}", grave=True)
            return
        chosen = f"owner:{','.join(map(str, owners))}"
        if not marks or len(marks) > MOST:
            many = words.counted(len(marks), "lane") if not marks else f"more than {words.number(MOST)} lanes"
            self.say(f"{chosen} holds {many}", grave=True)
            return
        self.act(LaneSubject(ACTIONS[name], marks, sight=self.sight, chosen=chosen))

    def action_drain(self) -> None:
        """Ask, then let them claim nothing more."""
        meant = self._meant
        if not meant or not self.may_act():
            return
        gateways = [owner for kind, owner, _ in meant if kind == "gateway" and owner.alive]
        if not gateways:
            kind, first, _ = meant[0]
            why = "holds for its own code, and claims nothing else: abort the lane"
            if not first.alive:
                why = "does not live: what it held is taken back by the others"
            self.say(f"{kind} {first.id} {why}", grave=True)
            return

        def answered(how: dict[str, Any]) -> None:
            self._drain([owner.id for owner in gateways], how.get("for_"))

        self.ask(OwnerSubject(DRAIN, gateways), answered)

    @work
    async def _drain(self, owners: Sequence[int], for_ms: int | None) -> None:
        drained = [each for each in owners if await self.do(self.source.drain(each, for_ms)) is not None]
        if drained:
            self.marks.clear()
            which = " and ".join(map(str, drained))
            said = f"gateway {which} drains" if len(drained) == 1 else f"gateways {which} drain"
            self.say(f"{said}: nothing more is claimed until it is started again")


def _facts(kind: str, owner: OwnerDetail, health: OwnerHealth | None, sight: ViewedAt) -> dict[str, str | int]:
    """What an owner is filtered by."""
    numbers = (0, 0, 0, 0)
    if health is not None:
        numbers = health.silent, health.failures_per_min, health.runs_per_min, health.answers_per_min
    return {
        "owner": owner.id,
        "process": f"{owner.host}:{owner.pid}",
        "state": _state(owner, sight)[0],
        "kind": kind,
        "held": owner.held,
        **dict(zip(("silent", "fail", "run", "answ"), numbers, strict=True)),
        "error": (None if health is None else health.last_error) or "",
        "url": owner.url or "",
    }


def _harm(known: Known) -> tuple[bool, int, int, int]:
    """The worst first: dead ones that still hold lanes, then those whose runs are silent or fail."""
    _, owner, health = known
    silent, failures = (0, 0) if health is None else (health.silent, health.failures_per_min)
    return owner.alive, -silent, -failures, owner.id


def _cells(kind: str, owner: OwnerDetail, health: OwnerHealth | None, sight: ViewedAt) -> dict[str, Content]:
    word, tone = _state(owner, sight)
    cells = {
        "OWNER": text.line(str(owner.id), (" desk" if kind == "desk" else "", "muted")),
        "PROCESS": text.line((text.in_the_middle(f"{owner.host}:{owner.pid}", 18), "strong")),
        "STATE": text.line((word, tone)),
        "BEAT": text.line((words.short(sight.age(owner.heartbeat_age_ms)), "muted" if owner.alive else "bad")),
        "HELD": text.line(words.number(owner.held)),
        "UP": text.line((words.short(sight.wall - owner.started_at), "muted")),
        "URL": text.line((owner.url or "", "muted")),
    }
    if health is not None:
        cells |= _health_cells(health)
    return cells


def _health_cells(health: OwnerHealth) -> dict[str, Content]:
    files, most = health.descriptors, health.descriptors_limit
    full = files is not None and most is not None and files > _MANY_FILES * most
    return {
        "SILENT": _count(health.silent, "warn"),
        "RUN/M": _count(health.runs_per_min, ""),
        "FAIL/M": _count(health.failures_per_min, "errored"),
        "ANSW/M": _count(health.answers_per_min, ""),
        "FILES": _count(files or 0, "warn" if full else "muted"),
        "LAST ERROR": text.line((health.last_error or "", "errored")),
    }


def _count(number: int, tone: str) -> Content:
    return text.line((words.number(number), tone)) if number else text.EMPTY


def _state(owner: OwnerDetail, sight: ViewedAt) -> tuple[str, str]:
    if not owner.alive:
        return "✖ dead or silent", "bad"
    if owner.draining is not None:
        until = owner.draining.until
        left = "" if until is None else f" {words.short(max(0, until - sight.wall))}"
        return f"▶ draining{left}", "warn"
    return "● alive", "good"


def _described(kind: str, owner: OwnerDetail, health: OwnerHealth | None, sight: ViewedAt) -> list[Content]:
    lines = [
        text.line((f"{kind.upper()} {owner.id} ", "head"), (owner.evidence, "" if owner.alive else "bad")),
        text.line(("started ", "muted"), sight.moment(owner.started_at), (f"  {owner.url or 'no HTTP'}", "muted")),
    ]
    if owner.draining is not None:
        until = "" if owner.draining.until is None else f", runs may end until {sight.moment(owner.draining.until)}"
        lines.append(text.line(("draining ", "warn"), f"by {owner.draining.by}{until}"))
    if health is not None and health.descriptors is not None:
        most = "" if health.descriptors_limit is None else f" of {words.number(health.descriptors_limit)}"
        lines.append(text.line(("open files ", "muted"), f"{words.number(health.descriptors)}{most}"))
    return lines
