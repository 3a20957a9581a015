"""The owners as a table: which process, whether it lives, its health, what it holds."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from textual import work
from textual.binding import BindingType
from textual.content import Content

from lanes.records import OwnerDetail, OwnerHealth
from lanes_tui.actions.keys import bind
from lanes_tui.actions.system_subjects import OwnerSubject
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.screens.whole import WholeList
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
#: The fields that owners are filtered by.
OWNER_FIELDS = ("owner", "process", "state", "kind", "held", "silent", "fail", "run", "answ", "error", "url")
#: A process that has more than this share of its limit of descriptors open gets a warning.
_MANY_FILES = 0.8


class OwnerKnown(NamedTuple):
    """What is known of an owner: whether it is a gateway or a desk, and its health."""

    kind: str
    owner: OwnerDetail
    health: OwnerHealth | None


class OwnersScreen(WholeList[int, OwnerKnown]):
    """Lists the owners of the database, the worst first, and drains gateways."""

    NAME, LANES_BY, FIELDS = "owners", "owner", OWNER_FIELDS
    about = "processes that may hold lanes"
    NONE = "no gateway: `lanes status` says how to start one"
    HINT = "filter: a host, state:dead silent:>0 held:>10"
    BINDINGS: ClassVar[list[BindingType]] = [bind("drain", "drain", show=True)]

    async def read(self) -> None:
        self.read_at, status = await self.source.status()
        health = await self.source.owner_health()
        owners = [("gateway", owner) for owner in status.gateways] + [("desk", owner) for owner in status.desks]
        known = [OwnerKnown(kind, owner, health.get(owner.id)) for kind, owner in owners]
        self.known = {str(each.owner.id): each for each in sorted(known, key=_harm)}

    def mark_of(self, key: str) -> int:
        return int(key)

    def columns(self) -> Sequence[FixedColumn]:
        return _COLUMNS

    def facts(self, known: OwnerKnown, sight: ViewedAt) -> Mapping[str, str | int]:
        kind, owner, health = known
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

    def cells(self, known: OwnerKnown, sight: ViewedAt) -> Mapping[str, Content]:
        kind, owner, health = known
        cells = {
            "OWNER": text.line(str(owner.id), (" desk" if kind == "desk" else "", "muted")),
            "PROCESS": text.line((text.in_the_middle(f"{owner.host}:{owner.pid}", 18), "strong")),
            "STATE": text.line(_state(owner, sight)),
            "BEAT": text.line((words.short(sight.age(owner.heartbeat_age_ms)), "muted" if owner.acts else "bad")),
            "HELD": text.line(words.number(owner.held)),
            "UP": text.line((words.short(sight.wall - owner.started_at), "muted")),
            "URL": text.line((owner.url or "", "muted")),
        }
        return cells if health is None else cells | _health_cells(health)

    def described(self, known: OwnerKnown, sight: ViewedAt) -> list[Content]:
        kind, owner, health = known
        lines = [
            text.line((f"{kind.upper()} {owner.id} ", "head"), (owner.evidence, "" if owner.acts else "bad")),
            text.line(("started ", "muted"), sight.moment(owner.started_at), (f"  {owner.url or 'no HTTP'}", "muted")),
        ]
        if owner.draining is not None:
            until = "" if owner.draining.until is None else f", runs may end until {sight.moment(owner.draining.until)}"
            lines.append(text.line(("draining ", "warn"), f"by {owner.draining.by}{until}"))
        if health is not None and health.descriptors is not None:
            most = "" if health.descriptors_limit is None else f" of {words.number(health.descriptors_limit)}"
            lines.append(text.line(("open files ", "muted"), f"{words.number(health.descriptors)}{most}"))
        return lines

    def action_drain(self) -> None:
        """Ask, then drain the gateways among the targets."""
        if not self.may_act() or not (targets := list(self.targets().values())):
            return
        gateways = [owner for kind, owner, _ in targets if kind == "gateway" and owner.alive]
        if not gateways:
            kind, first, _ = targets[0]
            why = "holds lanes for its own code and cannot be drained: abort the lane instead"
            if first.is_stopped:
                why = f"is stopped: `kill -CONT {first.pid}` lets it go on"
            elif not first.alive:
                why = "is dead or silent: the other gateways take back its lanes"
            self.show_notice(f"{kind} {first.id} {why}", grave=True)
            return

        def on_answer(how: dict[str, Any]) -> None:
            self._drain([owner.id for owner in gateways], how.get("for_"))

        self.confirm(OwnerSubject(gateways), on_answer)

    @work
    async def _drain(self, owners: Sequence[int], for_ms: int | None) -> None:
        drained = [each for each in owners if await self.do(self.source.drain(each, for_ms)) is not None]
        if drained:
            self.marks.clear()
            which = " and ".join(map(str, drained))
            sentence = f"gateway {which} drains" if len(drained) == 1 else f"gateways {which} drain"
            self.show_notice(f"{sentence}: nothing more is claimed until a restart")


def _harm(known: OwnerKnown) -> tuple[bool, int, int, int]:
    """The worst first: dead ones that still hold lanes, then those whose runs are silent or fail."""
    _, owner, health = known
    silent, failures = (0, 0) if health is None else (health.silent, health.failures_per_min)
    return owner.acts, -silent, -failures, owner.id


def _health_cells(health: OwnerHealth) -> dict[str, Content]:
    files, most = health.descriptors, health.descriptors_limit
    full = files is not None and most is not None and files > _MANY_FILES * most
    return {
        "SILENT": text.count(health.silent, "warn"),
        "RUN/M": text.count(health.runs_per_min),
        "FAIL/M": text.count(health.failures_per_min, "errored"),
        "ANSW/M": text.count(health.answers_per_min),
        "FILES": text.count(files or 0, "warn" if full else "muted"),
        "LAST ERROR": text.line((health.last_error or "", "errored")),
    }


def _state(owner: OwnerDetail, sight: ViewedAt) -> tuple[str, str]:
    if owner.is_stopped:  # whether or not its heartbeat is overdue yet
        return "⚠ stopped", "bad"
    if not owner.alive:
        return "✖ dead or silent", "bad"
    if owner.draining is not None:
        until = owner.draining.until
        left = "" if until is None else f" {words.short(max(0, until - sight.wall))}"
        return f"▶ draining{left}", "warn"
    return "● alive", "good"
