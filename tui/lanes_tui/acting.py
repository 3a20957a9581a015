"""What the dashboard does to lanes: one action at a time on each, and a sentence on what came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lanes.errors import Changed, LanesError
from lanes.verbs import table
from lanes.verbs.verb import Verb
from lanes_storage.law import LaneState
from lanes_tui.marks import Mark
from lanes_tui.source import Lost, Source

#: What the journal shows as the reason of what was asked for here.
REASON = "from the dashboard"
#: So many lanes are acted on at the same time: an abort waits for its owner, and nobody waits for all owners in turn.
TOGETHER = 64


class Told(NamedTuple):
    """What came of an action: one word, and a sentence. ``grave``: not what was asked for."""

    key: str
    outcome: str
    sentence: str
    grave: bool = False


class Deed(NamedTuple):
    """Something that can be done to lanes.

    ``title`` says it with a place for what it is done to, ``word`` is what a button says; ``fits`` are the states in
    which it does anything.
    """

    name: str
    title: str
    word: str
    fits: frozenset[LaneState]
    act: Callable[[Source, Mark], Awaitable[Told]]
    grave: bool = False


def deeds_of(verb: Verb[..., Any]) -> list[Deed]:
    """A verb as what can be done to lanes."""
    reason = {"reason": REASON} if "reason" in verb.by_name else {}
    offered = [(each, _caller(verb, {**reason, **each.params})) for each in verb.about.deeds]
    return [Deed(each.name or verb.name, each.title, each.word, each.fits, act, each.grave) for each, act in offered]


def _caller(verb: Verb[..., Any], params: Mapping[str, Any]) -> Callable[[Source, Mark], Awaitable[Told]]:
    async def act(source: Source, mark: Mark) -> Told:
        assert verb.said is not None
        return Told(mark.key, *verb.said(await source.call(verb, key=mark.key, epoch=mark.epoch, **params)))

    return act


#: What can be done to lanes, by name.
DEEDS = {deed.name: deed for verb in table().values() for deed in deeds_of(verb)}


class Acting:
    """Acts on a source. An action on a lane on which another one has not ended yet is told as ``busy``."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._under_way: set[str] = set()

    async def do(self, deed: Deed, mark: Mark) -> Told:
        """Do it to the lane as it was marked, and tell what came of it."""
        key = mark.key
        if key in self._under_way:
            return Told(key, "busy", "busy: an action on it has not ended yet", grave=True)
        self._under_way.add(key)
        try:
            return await deed.act(self._source, mark)
        except Changed as changed:
            return Told(
                key, "changed", f"changed: it stands at epoch {changed.epoch} now, and was left alone", grave=True
            )
        except (Lost, LanesError) as error:
            return Told(key, "not done", f"not done: {error}", grave=True)
        finally:
            self._under_way.discard(key)

    async def do_all(self, deed: Deed, marks: Sequence[Mark], told: Callable[[Told], None]) -> None:
        """Do it to many, some at a time; each outcome is told as it comes."""
        waiting = iter(marks)

        async def work() -> None:
            for mark in waiting:
                told(await self.do(deed, mark))

        await asyncio.gather(*(work() for _ in range(min(TOGETHER, len(marks)))))
