"""The conversations of lanes."""

from collections.abc import Sequence
from typing import Any

from lanes import records
from lanes.desk.base import EMBEDDER, DeskBase
from lanes.records import Lane
from lanes.verbs import conversations


class DeskConversations(DeskBase):
    """Read what a lane remembers, begin a new conversation, export and import one."""

    async def conversation(
        self, key: str, *, number: int | None = None, limit: int | None = None
    ) -> records.Conversation:
        """The turns of a lane's conversation, or of an earlier one by its number, oldest first; ``limit``: the last
        ones. Raises NotFound."""
        return await self.perform(conversations.conversation(self.context(), key, number=number, limit=limit))

    async def new_conversation(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """Begin a new conversation; the earlier turns stay readable. Raises NotFound, Changed, NotAllowed on a running
        lane."""
        return (await self.perform(conversations.new_conversation(self.context(actor), key, epoch=epoch))).lane

    async def export_conversation(self, key: str, *, number: int | None = None) -> records.ConversationExport:
        """A whole conversation as chat messages. Raises NotFound."""
        return await self.perform(conversations.export_conversation(self.context(), key, number=number))

    async def import_conversation(self, key: str, messages: Sequence[dict[str, Any]], *, actor: str = EMBEDDER) -> Lane:
        """Begin a new conversation with these chat messages; makes the lane if there is none. Raises InvalidKey, Unfit,
        NotAllowed on a running lane."""
        effect = conversations.import_conversation(self.context(actor), key, messages=tuple(messages))
        return (await self.perform(effect)).lane
