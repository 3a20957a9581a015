"""What a command run stores: its process, before the program may start, and the agent's own conversation id."""

from collections.abc import Mapping
from typing import NamedTuple

from lanes.runners.base import RunContext
from lanes_storage import doors, reads
from lanes_storage.interface import AsyncStore
from lanes_storage.records import ProcessIdentity, Ticket


class AgentLane(NamedTuple):
    """The lane of a run: its id, the agent's conversation id for this runner, and what the conversation has used."""

    id: int
    session: str | None
    used: Mapping[str, float] = {}


class AgentMemory:
    """Stores in the lane and the run. Each write takes effect only while the run holds its lane. For the event loop."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    async def lane(self, run: RunContext, runner: str) -> AgentLane:
        """The lane of a run, with the conversation id of that runner's agent."""
        lane, sessions = await self._store.read(reads.lane_of_run(run.id))
        return AgentLane(lane, *sessions.get(runner, (None, {})))

    async def attach(self, run: RunContext, keeper: ProcessIdentity) -> bool:
        """Store the process of a run. Returns False if the run has lost its lane or is to be aborted; nothing may
        start."""
        ticket = _ticket(run)
        return await self._store.write(lambda tx: doors.attach_process(tx, ticket, keeper, keeper.pid))

    async def keep_session(
        self, run: RunContext, runner: str, session: str | None, used: Mapping[str, float] | None = None
    ) -> None:
        """Store the agent's conversation id for the lane's next run, and what it has used; None removes it."""
        ticket = _ticket(run)
        await self._store.write(lambda tx: doors.keep_session(tx, ticket, runner, session, used))


def _ticket(run: RunContext) -> Ticket:
    return Ticket(run.id, run.epoch)
