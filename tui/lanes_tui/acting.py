"""What the dashboard does to lanes: one action at a time on each, and a sentence on what came of it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from lanes.abort import AbortResult, Outcome
from lanes.errors import LanesError
from lanes.why import span
from lanes_tui.source import Lost, Source


class Told(NamedTuple):
    """What came of an action. ``grave``: not what was asked for."""

    key: str
    sentence: str
    grave: bool = False


class Acting:
    """Acts on a source. Every action returns None where another one on the same lane has not ended yet."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._under_way: set[str] = set()

    def is_under_way(self, key: str) -> bool:
        """Whether an action on that lane has not ended yet."""
        return key in self._under_way

    async def abort(self, key: str, epoch: int) -> Told | None:
        """Abort the run of that epoch, and tell the proven outcome."""

        async def act() -> Told:
            return told_of(await self._source.abort(key, epoch=epoch))

        return await self._once(key, act)

    async def pause(self, key: str, epoch: int) -> Told | None:
        """Let a lane claim nothing."""

        async def act() -> Told:
            lane = await self._source.pause(key, epoch=epoch)
            goes_on = "; its run goes on" if lane.run is not None else ""
            return Told(key, f"paused: it claims nothing until it is resumed{goes_on}")

        return await self._once(key, act)

    async def resume(self, key: str, epoch: int) -> Told | None:
        """Let a lane claim again."""

        async def act() -> Told:
            await self._source.resume(key, epoch=epoch)
            return Told(key, "resumed")

        return await self._once(key, act)

    async def _once(self, key: str, act: Callable[[], Awaitable[Told]]) -> Told | None:
        if key in self._under_way:
            return None
        self._under_way.add(key)
        try:
            return await act()
        except (Lost, LanesError) as error:
            return Told(key, f"not done: {error}", grave=True)
        finally:
            self._under_way.discard(key)


def told_of(result: AbortResult) -> Told:
    """The proven outcome of an abort as a sentence."""
    after = f"after {span(result.waited_s * 1000)}"
    match result.outcome:
        case Outcome.RELEASED:
            said = f"released {after}: its owner stopped the run"
        case Outcome.FORCED:
            said = f"forced {after}: its owner did not confirm, and can write no more (epoch {result.epoch_after})"
        case Outcome.REPAIRED:
            said = f"repaired {after}: nobody held the run any more (epoch {result.epoch_after})"
        case Outcome.CLEARED:
            said = "cleared: it held no run; the waiting message that had run before was ended"
        case Outcome.NOT_HELD:
            said = "not held: there was nothing to abort"
        case Outcome.CHANGED:
            said = f"changed: it stands at epoch {result.epoch_after} now, and was left alone"
        case Outcome.PENDING:
            said = f"pending {after}: the request stands, and ends as an abort"
    if result.survivors:
        said += f"; still alive: {', '.join(result.survivors)}"
    elif result.survivors is None and result.outcome is not Outcome.PENDING:
        said += "; processes of the run may still live"
    grave = result.outcome in (Outcome.NOT_HELD, Outcome.CHANGED, Outcome.PENDING)
    return Told(result.key, said, grave)
