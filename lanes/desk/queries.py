"""What can be asked of lanes."""

from lanes import records
from lanes.base import arguments
from lanes.desk.base import DeskBase
from lanes.records import Lane
from lanes.verbs import queries, system
from lanes_storage import reads
from lanes_storage.records import LaneFilter, LaneOrder


class DeskQueries(DeskBase):
    """List lanes, look at one, read the journal."""

    async def lanes(
        self,
        chosen: LaneFilter | None = None,
        *,
        order: LaneOrder = queries.BY_ATTENTION,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Lane]:
        """Lanes in some order; by attention, unfinished ones first, the longest wait at the top. Raises Unfit."""
        arguments.instance(chosen, LaneFilter, "chosen", "LaneFilter(...)")
        queries.list_.checked({"limit": limit, "cursor": offset})
        return list(await self.perform(queries.lanes_of(self.context(), chosen or LaneFilter(), order, limit, offset)))

    async def lanes_total(self, chosen: LaneFilter | None = None) -> int:
        """How many lanes a filter chooses. Raises Unfit."""
        arguments.instance(chosen, LaneFilter, "chosen", "LaneFilter(...)")
        return await self.perform(queries.total_of(self.context(), chosen or LaneFilter()))

    async def counts(self) -> records.Counts:
        """The counts of lanes and messages."""
        return records.Counts.of(await self.perform(reads.counts(self.clock().wall)), records.Liveness(self.clock()))

    async def lane(self, key: str) -> Lane:
        """One lane. Raises NotFound."""
        return await self.perform(queries.lane_of(self.context(), key))

    async def detail(self, key: str, *, source: str | None = None) -> records.LaneDetail:
        """One lane with its messages, events and why-paragraph; ``source`` as for ``abort``.

        Raises NotFound, Ambiguous.
        """
        return await self.perform(queries.show(self.context(), key, source=source))

    async def why(self, key: str, *, source: str | None = None) -> str:
        """What blocks this lane, the evidence, and what happens next. Raises NotFound, Ambiguous."""
        return (await self.perform(queries.why(self.context(), key, source=source))).why

    async def events(
        self,
        *,
        key: str | None = None,
        after: int = 0,
        since: int | None = None,
        type: str | None = None,  # noqa: A002 - the journal's own word
        limit: int | None = None,
        newest: bool = False,
        chosen: LaneFilter | None = None,
    ) -> list[records.Event]:
        """The journal after event ``after``, oldest first; ``newest`` takes the last ``limit``.

        ``since`` is wall time in milliseconds; ``chosen`` is a filter of events. Raises NotFound.
        """
        effect = system.events(
            self.context(),
            key,
            filter_=chosen or system.EVERY,
            type=type,
            after=after,
            limit=limit,
            since_at=since,
            newest=newest,
        )
        return await self.perform(effect)
