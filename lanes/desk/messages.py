"""Messages that were accepted."""

from collections.abc import Sequence

from lanes.desk.base import EMBEDDER, DeskBase
from lanes.records import Message
from lanes.verbs import messages, sending
from lanes_storage.law import MessageState


class DeskMessages(DeskBase):
    """Read messages, retry and prune dead letters, drop what waits."""

    async def messages(
        self, key: str, *, states: Sequence[MessageState] = (), limit: int | None = None
    ) -> list[Message]:
        """The messages of a lane, newest first. Raises NotFound."""
        return await self.perform(messages.messages(self.context(), key, state=tuple(states), limit=limit))

    async def retry(self, message_id: int, *, actor: str = EMBEDDER) -> Message:
        """Retry a dead letter; returns the new message. Raises NotFound, NotAllowed, QueueFull, LaneBusy."""
        return await self.perform(messages.retry(self.context(actor), message_id))

    async def retry_last(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Message:
        """Retry the newest dead letter of a lane. Raises NotFound, Changed, NotAllowed, QueueFull, LaneBusy."""
        return await self.perform(messages.retry_last(self.context(actor), key, epoch=epoch))

    async def drop(self, message_id: int, *, actor: str = EMBEDDER) -> Message:
        """End a waiting message as ``dropped``. Raises NotFound, NotAllowed."""
        return await self.perform(messages.drop(self.context(actor), message_id))

    async def move(self, message_id: int, *, front: bool = False, actor: str = EMBEDDER) -> Message:
        """Move a waiting message before all others of its lane. Raises NotFound, NotAllowed, Unfit."""
        return await self.perform(messages.move(self.context(actor), message_id, front=front))

    async def prune_dead_letters(self, older_than_ms: int, *, actor: str = EMBEDDER) -> int:
        """Delete the dead letters that failed at least this long ago; returns how many."""
        effect = messages.prune_dead_letters(self.context(actor), older_than=older_than_ms)
        return (await self.perform(effect)).pruned

    async def client_gone(self, message_id: int) -> bool:
        """End a message that is bound to a connection that is closed."""
        return await self.perform(sending.bound_gone(self.context("client"), message_id, why="its client left"))
