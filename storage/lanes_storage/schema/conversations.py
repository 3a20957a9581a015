"""What a lane remembers of its conversations."""

from sqlalchemy import CheckConstraint

from lanes_storage.fragments import one_of
from lanes_storage.law import TurnState
from lanes_storage.schema.columns import Table, number


class TurnTable(Table, table=True):
    """What a person said, and what was answered. It stays when its message is pruned.

    The turns of a lane are a chain, from ``lanes.last_turn`` on: each names the one before. So the end of a run writes
    no index, which would be another page for each lane.
    """

    __tablename__ = "turns"
    __table_args__ = (CheckConstraint(one_of("state", TurnState), name="turn_state"),)
    #: The order of the turns: see ``lanes_storage.law.turn_of``.
    id: int = number()
    lane_id: int
    #: The number of the conversation that it belongs to, in its lane.
    conversation: int
    before: int | None = None
    #: Null if it was imported.
    message_id: int | None = None
    text: str
    #: What a person reads of the answer; null if there was none.
    reply: str | None = None
    #: The answer in the words of the chat dialect (JSON array of messages), if it is more than its text.
    answer: str | None = None
    state: str
    #: Its size for a model, if a provider told how much it counted.
    tokens: int | None = None
    at: int
