"""Operating lanes and reading their state, for operators and embedding programs: most verbs, with written-out types."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lanes import records
from lanes.base import arguments, durations
from lanes.desk.base import EMBEDDER, DeskBase
from lanes.records import Lane, Message
from lanes.verbs import control, conversations, messages, queries, sending, system
from lanes_storage import reads
from lanes_storage.law import Cause, MessageState, Scope
from lanes_storage.records import LaneFilter, LaneOrder


class DeskOperating(DeskBase):
    """Act on lanes, messages, conversations, gateways and providers; list, look, read the journal."""

    # ---------------------------------------------------------------------------------------------------------- lanes

    async def abort(
        self,
        key: str,
        *,
        actor: str = EMBEDDER,
        reason: str | None = None,
        cause: Cause = Cause.ABORTED,
        scope: Scope = Scope.RUN,
        epoch: int | None = None,
        grace_ms: int | None = None,
        force: bool = False,
        source: str | None = None,
        reset: bool = False,
        wait: bool = True,
        timeout: float | None = None,
    ) -> records.AbortResult:
        """Abort the run of a lane (``scope`` run, both) and its waiting messages (queue, both).

        ``epoch``: only if the lane still has it. ``grace_ms``: instead of the grace of the run; ``force``: no grace.
        ``wait`` False, or after ``timeout`` seconds: the outcome is ``pending`` and the request remains.
        ``source``: the program whose lane of that key is meant; ``reset``: reset the session of a watched lane if
        nothing else ends its run. Raises NotFound, Unfit, Ambiguous.
        """
        effect = control.abort(
            self.context(actor),
            key,
            scope=scope,
            reason=reason,
            grace=grace_ms,
            force=force,
            epoch=epoch,
            wait=wait,
            timeout=arguments.patience_ms(timeout),
            source=source,
            reset=reset,
            cause=cause,
        )
        return await self.perform(effect)

    async def pause(
        self,
        key: str,
        *,
        actor: str = EMBEDDER,
        reason: str | None = None,
        until: int | datetime | None = None,
        epoch: int | None = None,
    ) -> Lane:
        """Stop a lane from claiming until ``until`` or resumed. Raises NotFound, Changed, Unfit.

        ``until``: a wall time in the future, in milliseconds or as a datetime with a time zone.
        """
        effect = control.pause(self.context(actor), key, until=_ms(until, "until"), reason=reason, epoch=epoch)
        return (await self.perform(effect)).lane

    async def resume(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """End the pauses of a lane, so that it can claim again. Raises NotFound, Changed."""
        return (await self.perform(control.resume(self.context(actor), key, epoch=epoch))).lane

    async def pause_all(
        self, match: str = "*", *, actor: str = EMBEDDER, reason: str | None = None, until: int | datetime | None = None
    ) -> records.GlobActed:
        """Pause every lane whose key matches a glob, future lanes included, until ``until`` or resumed."""
        return await self.perform(
            control.pause_all(self.context(actor), match=match, until=_ms(until, "until"), reason=reason)
        )

    async def resume_all(
        self, match: str = "*", *, set_at: int | None = None, actor: str = EMBEDDER
    ) -> records.GlobActed:
        """End the pause of a glob; ``set_at``: only the one that was set at that wall time.

        Lanes that are paused themselves, or by another glob, stay paused.
        """
        return await self.perform(control.resume_all(self.context(actor), match=match, set_at=set_at))

    async def ack(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """Acknowledge: errored or aborted back to idle. Raises NotFound, Changed, NotAllowed on a running lane."""
        return (await self.perform(control.ack(self.context(actor), key, epoch=epoch))).lane

    # ---------------------------------------------------------------------------------------------- what can be asked

    async def lanes(
        self,
        chosen: LaneFilter | None = None,
        *,
        order: LaneOrder = queries.BY_ATTENTION,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Lane]:
        """The lanes that a filter chooses, in an order: by default unfinished ones first, the longest wait at the top.

        Raises Unfit.
        """
        arguments.instance(chosen, LaneFilter, "chosen", "LaneFilter(...)")
        queries.list_.checked({"limit": limit})
        arguments.count(offset, "offset")
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
        since: int | datetime | None = None,
        type: str | None = None,  # noqa: A002 - the journal's own word
        limit: int | None = None,
        newest: bool = False,
        chosen: LaneFilter | None = None,
    ) -> list[records.Event]:
        """The journal after event ``after``, oldest first; ``newest`` takes the last ``limit``.

        ``since`` is a wall time, as for ``pause``; ``chosen`` is a filter of events. Raises NotFound, and Unfit for a
        type that no event has.
        """
        effect = system.events(
            self.context(),
            key,
            filter_=system.EVERY if chosen is None else chosen,
            type=type,
            after=after,
            limit=limit,
            since_at=_ms(since, "since"),
            newest=newest,
        )
        return await self.perform(effect)

    # ------------------------------------------------------------------------------------------------------- messages

    async def messages(
        self, key: str, *, states: Sequence[MessageState] = (), limit: int | None = None
    ) -> list[Message]:
        """The messages of a lane, newest first. Raises NotFound."""
        return await self.perform(messages.messages(self.context(), key, state=tuple(states), limit=limit))

    async def dead_letters(
        self, *, waiting: bool = False, limit: int | None = None, before: int | None = None
    ) -> list[Message]:
        """The failed messages of all lanes, newest first; ``waiting``: only those that were not retried yet.

        ``before``: the id of the last one, for the next page. Raises Unfit.
        """
        effect = messages.dead_letters(self.context(), waiting=waiting, limit=limit, before=before)
        return await self.perform(effect)

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
        return await self.perform(sending.end_bound(self.context("client"), message_id, why="its client left"))

    # -------------------------------------------------------------------------------------------------- conversations

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
        """Begin a new conversation with these chat messages; creates the lane if there is none. Raises InvalidKey,
        Unfit, NotAllowed on a running lane."""
        effect = conversations.import_conversation.of(self.context(actor), {"key": key, "messages": messages})
        return (await self.perform(effect)).lane

    # ----------------------------------------------------------------------------------------- gateways and providers

    async def status(self) -> records.Status:
        """Gateways, counts, cooldowns."""
        return await self.perform(system.status(self.context()))

    async def providers(self) -> list[records.Provider]:
        """Which providers are well, who asks them, and how the requests of the last hour ended."""
        return await self.perform(system.providers(self.context()))

    async def reset_provider(self, name: str, *, actor: str = EMBEDDER) -> records.ProviderResetDone:
        """End the cooldown of a provider at once; messages that wait for it may start. Raises NotFound."""
        return await self.perform(system.reset_provider(self.context(actor), name=name))

    async def drain(
        self, owner_id: int | None = None, *, by: str = EMBEDDER, until: int | datetime | None = None
    ) -> list[records.OwnerDetail]:
        """Stop one gateway, or all, from claiming, and cut at ``until`` (as for ``pause``) the runs that are left.

        Raises NotFound.
        """
        return await self.perform(system.drain(self.context(by), gateway=owner_id, until=_ms(until, "until")))

    async def drain_rehearsal(self, owner_id: int | None = None) -> list[records.Cut]:
        """The runs that such a drain would cut, and what becomes of their messages. Raises NotFound."""
        return await self.perform(system.drain_rehearsal(self.context(), gateway=owner_id))

    async def drain_wait(self, owner_ids: Sequence[int], *, timeout: float | None = None) -> list[records.OwnerDetail]:
        """Wait until none of these owners holds a lane, at most ``timeout`` seconds; returns the owners."""
        wait = arguments.patience_ms(timeout, none=durations.LONGEST_MS)
        return await self.perform(system.gateways(self.context(), id=tuple(owner_ids), wait=wait))


def _ms(moment: int | datetime | None, name: str) -> int | None:
    return None if moment is None else arguments.moment_ms(moment, name)
