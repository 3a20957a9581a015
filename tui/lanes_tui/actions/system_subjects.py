"""The subjects of actions on gateways, on providers, and on all lanes at once."""

from collections.abc import Iterator, Sequence

from textual.content import Content

from lanes.explain.phrases import is_paused
from lanes.records import GlobPause, Health, OwnerDetail, Provider, Status
from lanes.text.spans import span
from lanes.verbs.control import pause_all, resume_all
from lanes.verbs.system import drain, reset_provider
from lanes_storage.law import LaneState
from lanes_tui.actions.acting import ActionTarget, OfferedAction
from lanes_tui.actions.subjects import COUNTING, ActionSubject
from lanes_tui.display import text, words
from lanes_tui.sources.source import AsOf, Source

PAUSE_ALL = OfferedAction("pause all", pause_all, "Pause {}", "Pause")
RESUME_ALL = OfferedAction("resume all", resume_all, "Resume {}", "Resume", grave=True)
DRAIN = OfferedAction("drain", drain, "Drain {}", "Drain", grave=True)
RESET = OfferedAction("reset", reset_provider, "Ask {} again now", "Reset")


class OwnerSubject(ActionSubject):
    """Gateways that are to be drained."""

    noun = "gateway"

    def __init__(self, owners: Sequence[OwnerDetail]) -> None:
        super().__init__(DRAIN)
        self.owners, self.count = owners, len(owners)

    def lines(self) -> list[Content]:
        held = sum(owner.held for owner in self.owners)
        holds = "It holds" if self.count == 1 else "They hold"
        runs = f"{holds} {words.counted(held, 'lane')}: each run may end in this time, then it is cut and goes"
        return [
            *self.named(
                text.line((f"{owner.host}:{owner.pid}", "strong"), (f"  gateway {owner.id}", "muted"))
                for owner in self.owners
            ),
            text.line(f"{runs} on as its policy says." if held else "No lane is held now."),
            text.line(("Nothing more is claimed until the process is started again.", "warn")),
        ]

    def words(self) -> list[str] | None:
        return ["drain", str(self.owners[0].id)] if self.count == 1 else None


class ProviderSubject(ActionSubject):
    """Providers whose cooldown and failures are to be forgotten."""

    noun = "provider"

    def __init__(self, providers: Sequence[Provider], wall: int) -> None:
        super().__init__(RESET)
        self.providers, self.count = providers, len(providers)
        self._wall = wall

    @property
    def targets(self) -> list[ActionTarget]:
        """Each provider; a single one without a name, because its result names it."""
        return [ActionTarget(each.name if self.count > 1 else "", {"name": each.name}) for each in self.providers]

    def lines(self) -> list[Content]:
        looks = [(each.name, words.look_of_provider(each, self._wall)) for each in self.providers]
        named = (text.line((name, "strong"), (f"  {each.symbol} {each.word}", each.tone)) for name, each in looks)
        after = "Messages that wait for it may start now. If it fails again, it cools again."
        well = all(each.health is Health.WELL for each in self.providers)
        return [*self.named(named), text.line("There is no cooldown to end." if well else after)]

    def words(self) -> list[str] | None:
        return ["providers", "reset", self.providers[0].name] if self.count == 1 else None


class EveryLaneSubject(ActionSubject):
    """All lanes, lanes to come included. ``pause``: the pause that is to end; None: they are to be paused."""

    count = 1
    renewed = True

    def __init__(self, pause: GlobPause | None) -> None:
        super().__init__(PAUSE_ALL if pause is None else RESUME_ALL)
        self._pause = pause
        self._status: AsOf[Status] | None = None

    @property
    def targets(self) -> list[ActionTarget]:
        """One call, without a name: its result has one. It ends only the pause that the question names."""
        return [ActionTarget("", {} if self._pause is None else {"match": self._pause.match, "set_at": self._pause.at})]

    async def load(self, source: Source) -> None:
        self._status = await source.status()

    def title(self) -> str:
        return self.question("all lanes")

    def lines(self) -> list[Content]:
        if self._status is None:
            return [COUNTING]
        now = next(pauses_of_all(self._status.record.pauses, self._status.at.wall), None)
        if self._pause is not None:
            lines = [self._pause_line(self._pause)]
            if now is None or (now.match, now.at) != (self._pause.match, self._pause.at):
                sentence = "It has ended." if now is None else f"It has ended. The newer pause by {now.by} stays."
                return [*lines, text.line((sentence, "warn"))]
            muted = "Lanes that are paused individually, or by another glob, stay paused."
            return [*lines, text.line((muted, "muted"))]
        counts = self._status.record.counts
        runs = words.counted(counts.lanes.get(LaneState.RUNNING, 0), "run")
        replaced = (
            [] if now is None else [self._pause_line(now), text.line(("The new pause replaces this one.", "bad"))]
        )
        return [
            *replaced,
            text.line("No gateway claims anything more, even after a restart: ", ("future lanes too", "bad")),
            text.line(
                f"Current runs go on ({runs}), waiting messages are kept ({words.number(counts.messages.queued)})."
            ),
        ]

    def _pause_line(self, pause: GlobPause) -> Content:
        assert self._status is not None, "it is read first"
        return text.line(f"Paused by {pause.by} for {span(self._status.at.wall - pause.at)}: {pause.reason}")

    def words(self) -> list[str] | None:
        return ["pause" if self._pause is None else "resume", "--all"]


def pauses_of_all(pauses: Sequence[GlobPause], wall: int) -> Iterator[GlobPause]:
    """The pauses of all lanes that have not ended."""
    return (each for each in pauses if each.of_all and is_paused(each, wall))
