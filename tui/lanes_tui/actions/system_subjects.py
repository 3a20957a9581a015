"""What an action is for that is of no single lane: owners, providers, everything."""

from collections.abc import Sequence

from textual.content import Content

from lanes.records import GlobPause, Health, OwnerDetail, Provider, Status
from lanes.text.spans import span
from lanes.verbs.control import pause_all, resume_all
from lanes.verbs.system import drain, reset_provider
from lanes_storage.law import LaneState
from lanes_tui.actions.acting import ActionTarget, OfferedAction
from lanes_tui.actions.subjects import NAMED, ActionSubject
from lanes_tui.display import text, words
from lanes_tui.sources.source import AsOf, Source

PAUSE_ALL = OfferedAction("pause all", pause_all, "Pause {}", "Pause")
RESUME_ALL = OfferedAction("resume all", resume_all, "Resume {}", "Resume", grave=True)
DRAIN = OfferedAction("drain", drain, "Drain {}", "Drain", grave=True)
RESET = OfferedAction("reset", reset_provider, "Ask {} again at once", "Reset")


class OwnerSubject(ActionSubject):
    """Gateways that are to claim nothing more."""

    def __init__(self, owners: Sequence[OwnerDetail]) -> None:
        super().__init__(DRAIN)
        self.owners, self.count = owners, len(owners)

    async def load(self, source: Source) -> None:
        """All is known."""

    def title(self) -> str:
        return "Drain this gateway?" if self.count == 1 else f"Drain {words.counted(self.count, 'gateway')}?"

    def lines(self) -> list[Content]:
        held = sum(owner.held for owner in self.owners)
        what = "It holds" if self.count == 1 else "They hold"
        runs = f"{what} {words.counted(held, 'lane')}: each run may end for 30 s, then it is cut and goes"
        return [
            *(
                text.line((f"{owner.host}:{owner.pid}", "strong"), (f"  gateway {owner.id}", "muted"))
                for owner in self.owners[:NAMED]
            ),
            text.line(f"{runs} on as its policy says." if held else "Nothing is held just now."),
            text.line(("Nothing more is claimed until the process is started again.", "warn")),
        ]

    def words(self) -> list[str] | None:
        return ["drain", str(self.owners[0].id)] if self.count == 1 else None


class ProviderSubject(ActionSubject):
    """Providers against which nothing is to be known any more."""

    def __init__(self, providers: Sequence[Provider], wall: int) -> None:
        super().__init__(RESET)
        self.providers, self.count = providers, len(providers)
        self._wall = wall

    @property
    def targets(self) -> list[ActionTarget]:
        """Each of them; the result of one names it."""
        return [ActionTarget(each.name if self.count > 1 else "", {"name": each.name}) for each in self.providers]

    async def load(self, source: Source) -> None:
        """All is known."""

    def title(self) -> str:
        named = "this provider" if self.count == 1 else words.counted(self.count, "provider")
        return f"{self.action.title.format(named)}?"

    def lines(self) -> list[Content]:
        looks = [(each.name, words.look_of_provider(each, self._wall)) for each in self.providers]
        named = [text.line((name, "strong"), (f"  {each.symbol} {each.word}", each.tone)) for name, each in looks]
        named = named[:NAMED]
        if self.count > NAMED:
            named.append(text.line((f"and {words.number(self.count - NAMED)} more", "muted")))
        after = "What waits for it may start at once. If it fails again, it cools again."
        well = all(each.health is Health.WELL for each in self.providers)
        return [*named, text.line("Nothing is known against it." if well else after)]

    def words(self) -> list[str] | None:
        return ["providers", "reset", self.providers[0].name] if self.count == 1 else None


class EveryLaneSubject(ActionSubject):
    """Every lane, lanes to come included. ``pause``: the one that is to end."""

    count = 1

    def __init__(self, pause: GlobPause | None) -> None:
        super().__init__(PAUSE_ALL if pause is None else RESUME_ALL)
        self._pause = pause
        self._status: AsOf[Status] | None = None

    @property
    def targets(self) -> list[ActionTarget]:
        """One call; its result names them."""
        return [ActionTarget("", {})]

    async def load(self, source: Source) -> None:
        self._status = await source.status()

    def title(self) -> str:
        return f"{self.action.title.format('all lanes')}?"

    def lines(self) -> list[Content]:
        if self._status is None:
            return [text.line(("counting …", "muted"))]
        if self._pause is not None:
            since = span(self._status.at.wall - self._pause.at)
            return [
                text.line(f"Paused by {self._pause.by} for {since}: {self._pause.reason}"),
                text.line(("Lanes that are paused themselves, or by another glob, stay paused.", "muted")),
            ]
        counts = self._status.record.counts
        runs = words.counted(counts.lanes.get(LaneState.RUNNING, 0), "run")
        return [
            text.line("Nothing is claimed any more, by any gateway, and over restarts: ", ("lanes to come too", "bad")),
            text.line(f"What runs goes on ({runs}), what waits is kept ({words.number(counts.messages.queued)})."),
        ]

    def words(self) -> list[str] | None:
        return ["pause" if self._pause is None else "resume", "--all"]
