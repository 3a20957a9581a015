"""The actions of the dashboard on lanes: one at a time on each lane, with a sentence about the result."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lanes.base.errors import Changed, LanesError
from lanes.verbs import table
from lanes.verbs.verb import Verb
from lanes_storage.law import LaneState
from lanes_tui.sources.marks import MarkedLane
from lanes_tui.sources.source import Lost, Source

#: The reason in the journal for actions of the dashboard.
REASON = "from the dashboard"
#: How many lanes are processed concurrently: each abort waits for its owner, and these waits must not add up.
TOGETHER = 64


class ActionResult(NamedTuple):
    """The result of an action: one word, and a sentence. ``grave``: not the requested result."""

    key: str
    outcome: str
    sentence: str
    grave: bool = False


class LaneAction(NamedTuple):
    """An action on lanes.

    ``title`` is its title with a placeholder for the lanes, ``word`` the text of the button; ``fits`` are the states in
    which it has an effect.
    """

    name: str
    title: str
    word: str
    fits: frozenset[LaneState]
    act: Callable[[Source, MarkedLane], Awaitable[ActionResult]]
    grave: bool = False


def deeds_of(verb: Verb[..., Any]) -> list[LaneAction]:
    """A verb as what can be done to lanes."""
    reason = {"reason": REASON} if "reason" in verb.by_name else {}
    offered = [(each, _caller(verb, {**reason, **each.params})) for each in verb.about.deeds]
    return [
        LaneAction(each.name or verb.name, each.title, each.word, each.fits, act, each.grave) for each, act in offered
    ]


def _caller(verb: Verb[..., Any], params: Mapping[str, Any]) -> Callable[[Source, MarkedLane], Awaitable[ActionResult]]:
    async def act(source: Source, mark: MarkedLane) -> ActionResult:
        assert verb.said is not None
        return ActionResult(mark.key, *verb.said(await source.call(verb, key=mark.key, epoch=mark.epoch, **params)))

    return act


#: What can be done to lanes, by name.
DEEDS = {deed.name: deed for verb in table().values() for deed in deeds_of(verb)}


class Acting:
    """Acts on a source. An action on a lane whose previous action has not ended yet gives ``busy``."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._under_way: set[str] = set()

    async def do(self, deed: LaneAction, mark: MarkedLane) -> ActionResult:
        """Apply the action to the lane as it was marked; returns the outcome."""
        key = mark.key
        if key in self._under_way:
            return ActionResult(key, "busy", "busy: an action on it has not ended yet", grave=True)
        self._under_way.add(key)
        try:
            return await deed.act(self._source, mark)
        except Changed as changed:
            return ActionResult(
                key, "changed", f"changed: it stands at epoch {changed.epoch} now, and was left alone", grave=True
            )
        except (Lost, LanesError) as error:
            return ActionResult(key, "not done", f"not done: {error}", grave=True)
        finally:
            self._under_way.discard(key)

    async def do_all(self, deed: LaneAction, marks: Sequence[MarkedLane], told: Callable[[ActionResult], None]) -> None:
        """Apply the action to many lanes, some at a time; reports each outcome when it is known."""
        waiting = iter(marks)

        async def work() -> None:
            for mark in waiting:
                told(await self.do(deed, mark))

        await asyncio.gather(*(work() for _ in range(min(TOGETHER, len(marks)))))
