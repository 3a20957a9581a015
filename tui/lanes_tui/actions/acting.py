"""Runs the actions of the dashboard, on one target or ten thousand, and collects their results."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from lanes.base.errors import Changed, LanesError, Refused
from lanes.verbs import table
from lanes.verbs.messages import EVERY, retry
from lanes.verbs.verb import Verb
from lanes_storage.law import LaneState
from lanes_storage.records import How
from lanes_tui.sources.source import Lost, Source

#: The reason in the journal if the person gave none.
REASON = "from the dashboard"


class ActionTarget(NamedTuple):
    """The target of an action: a name for people, and the parameters that select it."""

    name: str
    params: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The key of its mark: the lane key, message id or name that selects it."""
        return str(next(iter(self.params.values()), ""))


class ActionResult(NamedTuple):
    """The result of an action: one word, and a sentence. ``grave``: not what was requested."""

    name: str
    outcome: str
    sentence: str
    grave: bool = False


class OfferedAction(NamedTuple):
    """A verb as the dashboard offers it.

    ``title``: with a placeholder for the targets; ``word``: the text of the button; ``fits``: the states of lanes in
    which it has an effect; ``grave``: something may be lost; ``params``: those of every call.
    """

    name: str
    verb: Verb[..., Any]
    title: str
    word: str
    fits: frozenset[LaneState] = frozenset(LaneState)
    grave: bool = False
    params: Mapping[str, Any] = {}

    @property
    def is_reversible(self) -> bool:
        """Whether the action is undone by pressing the same key again, with nothing lost."""
        return self.verb.name in ("pause", "resume")

    def takes(self, param: str) -> bool:
        """Whether a person may give this parameter."""
        return param in self.verb.by_name and param not in self.params


def offered(verb: Verb[..., Any]) -> list[OfferedAction]:
    """The actions that call a verb."""
    return [
        OfferedAction(each.name or verb.name, verb, each.title, each.word, each.fits, each.grave, each.params)
        for each in verb.about.deeds
    ]


#: The actions that the verbs declare, by name.
ACTIONS = {action.name: action for verb in table().values() for action in offered(verb)}


class ActionRun:
    """One action on all its targets, in pages. It does not depend on the screen that is open. ``on_result`` is called
    with each result."""

    def __init__(
        self,
        action: OfferedAction,
        targets: Sequence[ActionTarget],
        on_result: Callable[[ActionTarget, ActionResult], None] = lambda *_: None,
    ) -> None:
        self.action, self.targets = action, targets
        self.counts: Counter[tuple[str, bool]] = Counter()
        self.grave: list[ActionResult] = []
        self.well: list[ActionResult] = []
        self.problem: str | None = None  # why it ended early
        self.stopped = self.ended = False
        self._on_result = on_result

    @property
    def done(self) -> int:
        """How many results there are so far."""
        return len(self.grave) + len(self.well)

    @property
    def is_cut(self) -> bool:
        """Whether it is unfinished only because the dashboard was left."""
        return self.done < len(self.targets) and self.problem is None and not self.stopped

    def result(self, place: int) -> ActionResult:
        """The result at a place: those that are not as requested come first."""
        return self.grave[place] if place < len(self.grave) else self.well[place - len(self.grave)]

    def stop(self) -> None:
        """Start no further request. Requests that were sent are not withdrawn."""
        self.stopped = not self.ended

    async def carry_out(self, source: Source, how: Mapping[str, Any]) -> None:
        """Call the verb for all targets. ``how``: the parameters that the person gave."""
        params = {**self.action.params, **how}
        if self.action.takes("reason"):
            params["reason"] = params.get("reason") or REASON
        try:
            if self.action.verb is retry:
                await self._in_order(source, params)
            else:
                await self._each(source, params, self.targets)
        except (Lost, LanesError) as error:
            self.problem = str(error)
        finally:
            self.ended = True

    async def _in_order(self, source: Source, params: Mapping[str, Any]) -> None:
        """Retry in order: once a lane has refused a message, its later ones are not tried. They might find room, and
        overtake the one that was refused."""
        behind: dict[int, Refused] = {}
        for first in range(0, len(self.targets), source.in_order):
            page = self.targets[first : first + source.in_order]
            for target in page:
                if (refused := behind.get(target.params["id"])) is not None:
                    self._add_result(target, refused)
            tried = [target for target in page if target.params["id"] not in behind]
            for refused in await self._each(source, params, tried):
                behind |= dict.fromkeys(await source.letter_ids(EVERY.where("key", How.IS, refused.key)), refused)
            if self.stopped:
                return

    async def _each(self, source: Source, params: Mapping[str, Any], targets: Sequence[ActionTarget]) -> list[Refused]:
        """Call the verb for these targets; returns the refusals, one for each lane."""
        refused: dict[str, Refused] = {}
        calls = source.call_each(self.action.verb, [{**params, **target.params} for target in targets])
        async with aclosing(calls):
            async for place, answer in calls:
                self._add_result(targets[place], answer)
                if isinstance(answer, Refused):
                    refused[answer.key] = answer
                if self.stopped:
                    break
        return [*refused.values()]

    def _add_result(self, target: ActionTarget, answer: Any) -> None:
        result = ActionResult(target.name, *self._outcome_of(answer))
        (self.grave if result.grave else self.well).append(result)
        self.counts[result.outcome, result.grave] += 1
        self._on_result(target, result)

    def _outcome_of(self, answer: Any) -> tuple[str, str, bool]:
        if isinstance(answer, Changed):
            return "changed", f"changed: it is now at epoch {answer.epoch}, and was left alone", True
        if isinstance(answer, LanesError):
            return "not done", f"not done: {answer}", True
        word, sentence, grave = self.action.verb.outcome(answer)
        return word, sentence, grave
