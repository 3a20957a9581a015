"""The owners as a table of their health: which process, whether it lives, how it does, what it holds."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from textual import work
from textual.binding import BindingType
from textual.content import Content

from lanes.records import OwnerDetail, OwnerHealth, Status
from lanes_tui.actions.keys import bind
from lanes_tui.actions.system_subjects import OwnerSubject
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.screens.whole import WholeList
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import AsOf, Source
from lanes_tui.tables.fixed import FixedColumn

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
OWNER_FIELDS = ("owner", "process", "state", "kind", "held", "silent", "fail", "run", "answ", "error", "url")
#: So much of the descriptors a process may have is a warning.
_MANY_FILES = 0.8


class OwnerKnown(NamedTuple):
    """What is known of an owner: whether it is a gateway or a desk, and how it does."""

    kind: str
    owner: OwnerDetail
    health: OwnerHealth | None


class OwnersScreen(WholeList[int, OwnerKnown]):
    """Lists the owners of the database, the worst first, and drains the gateway under the cursor."""

    NAME, LANES_BY, FIELDS = "owners", "owner", OWNER_FIELDS
    ABOUT = "the processes that may hold lanes of this database"
    NONE = "no gateway: `lanes status` says how to start one"
    HINT = "filter: a host, state:dead silent:>0 held:>10"
    BINDINGS: ClassVar[list[BindingType]] = [bind("drain", "drain", show=True)]

    def __init__(self, source: Source, rhythm: Rhythm) -> None:
        super().__init__(source, rhythm)
        self._status: AsOf[Status] | None = None
        self._health: dict[int, OwnerHealth] = {}

    async def read(self) -> None:
        self._status = await self.source.status()
        self._health = await self.source.owner_health()

    def read_sight(self) -> ViewedAt:
        now = self.source.now()
        return ViewedAt.of(now if self._status is None else self._status.at, now)

    def id_of(self, key: str) -> int:
        return int(key)

    def known(self) -> dict[str, OwnerKnown]:
        assert self._status is not None, "it is read first"
        status = self._status.record
        owners = [("gateway", owner) for owner in status.gateways] + [("desk", owner) for owner in status.desks]
        known = [OwnerKnown(kind, owner, self._health.get(owner.id)) for kind, owner in owners]
        return {str(each.owner.id): each for each in sorted(known, key=_harm)}

    def columns(self) -> Sequence[FixedColumn]:
        return _COLUMNS

    def cells(self, known: OwnerKnown, sight: ViewedAt) -> Mapping[str, Content]:
        return _cells(*known, sight)

    def facts(self, known: OwnerKnown, sight: ViewedAt) -> Mapping[str, str | int]:
        return _facts(*known, sight)

    def described(self, known: OwnerKnown, sight: ViewedAt) -> list[Content]:
        return _described(*known, sight)

    def action_drain(self) -> None:
        """Ask, then let them claim nothing more."""
        if not self.may_act() or not (meant := list(self.meant().values())):
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

        self.ask(OwnerSubject(gateways), answered)

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


def _harm(known: OwnerKnown) -> tuple[bool, int, int, int]:
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
