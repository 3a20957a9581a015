"""The desk of a database file. Commands talk to this one object and get records, so that a desk of a gateway
elsewhere can take its place."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lanes import operations
from lanes.drivers.local import LocalDriver
from lanes.operations.messages import EVERY
from lanes.records import Cut, Event, Finding, Lane, LaneDetail, Message, OwnerDetail, Status
from lanes_storage.law import MessageState, Scope
from lanes_storage.records import LaneFilter


class LocalDesk(LocalDriver):
    """What commands can do with a database. Methods raise LanesError and StorageError as operations do."""

    # ---------------------------------------------------------------------------------- looking

    def status(self) -> Status:
        """The database at a glance."""
        return self.perform(operations.status(self.store.name))

    def a_gateway_lives(self) -> bool:
        """Whether something runs what waits here."""
        return any(view.alive for view in self.perform(operations.status(self.store.name)).gateways)

    def lanes(self, chosen: LaneFilter, *, limit: int | None = None) -> list[Lane]:
        """The chosen lanes, sorted by harm."""
        return self.perform(operations.lanes(chosen, limit=limit))

    def lane(self, key: str) -> Lane:
        """One lane."""
        return self.perform(operations.lane(key))

    def abortable(self, chosen: LaneFilter, scope: Scope) -> list[Lane]:
        """The chosen lanes of which an abort with that scope would end something."""
        return self.perform(operations.abortable(chosen, scope))

    def show(self, key: str) -> LaneDetail:
        """One lane with its run, messages and events."""
        return self.perform(operations.detail(key))

    def why(self, key: str) -> str:
        """One plain paragraph."""
        return self.perform(operations.why(key))

    def messages(
        self, key: str, *, states: Sequence[str] = (), limit: int | None = None, chosen: LaneFilter = EVERY
    ) -> list[Message]:
        """The messages of a lane, newest first."""
        known = [MessageState(state) for state in states]
        return self.perform(operations.messages(key, states=known, limit=limit, chosen=chosen))

    def dead_letters(self, *, limit: int | None = None, chosen: LaneFilter = EVERY) -> list[Message]:
        """The failed messages of every lane, newest first."""
        return self.perform(operations.dead_letters(limit=limit, chosen=chosen))

    def retriable(self, chosen: LaneFilter) -> list[int]:
        """The dead letters that a filter chooses, the oldest first."""
        return self.perform(operations.retriable(chosen))

    def droppable(self, chosen: LaneFilter) -> list[int]:
        """The waiting messages that a filter chooses, the oldest first."""
        return self.perform(operations.droppable(chosen))

    def would_cut(self, gateway: int | None) -> list[Cut]:
        """The runs that a drain of one gateway, or of all, would cut now."""
        return self.perform(operations.drain_rehearsal(gateway))

    def events(
        self,
        *,
        key: str | None,
        after: int = 0,
        since_ms: int | None,
        type_: str | None,
        limit: int | None,
        chosen: LaneFilter | None = None,
    ) -> list[Event]:
        """The newest ``limit`` events behind event ``after`` and of the last ``since_ms``, oldest first."""
        since = None if since_ms is None else self.ctx.clock().wall - since_ms
        procedure = operations.events(
            key=key, after=after, since=since, type=type_, limit=limit, newest=limit is not None, chosen=chosen
        )
        return self.perform(procedure)

    # ------------------------------------------------------------------------------------ acting

    def send(self, key: str, text: str, **how: Any) -> Message:
        """Accept a message; ``how`` as ``operations.send`` takes it."""
        return self.perform(operations.send(self.ctx, key, text, **how))

    def wait(self, message_id: int, *, timeout_ms: int) -> Message:
        """The message once it has ended, or as it stands when the time is over."""
        return self.perform(operations.wait(message_id, timeout=timeout_ms / 1000))

    def end_wait(self, run: int, message_id: int) -> None:
        """The run, for which this process waited, waits for the message no longer."""
        self.perform(operations.end_wait(run, message_id))

    def retry(self, message_id: int) -> Message:
        """Accept a dead letter once more."""
        return self.perform(operations.retry(self.ctx, message_id))

    def drop(self, message_id: int, *, actor: str) -> Message:
        """End a waiting message."""
        return self.perform(operations.drop(message_id, actor=actor))

    def prune_dead_letters(self, older_than_ms: int, *, actor: str) -> int:
        """Delete the dead letters of that age; how many went."""
        return self.perform(operations.prune_dead_letters(older_than_ms, actor=actor))

    def drain(self, gateway: int | None, *, actor: str, for_ms: int) -> list[OwnerDetail]:
        """Let one gateway, or all, claim nothing more, and cut in ``for_ms`` what then still runs."""
        until = self.ctx.clock().wall + for_ms
        return self.perform(operations.drain(gateway, by=actor, until=until))

    def drained(self, gateways: Sequence[int], *, timeout_ms: int) -> list[OwnerDetail]:
        """These gateways once none of them holds a lane, or as they are when the time is over."""
        return self.perform(operations.drain_wait(gateways, timeout=timeout_ms / 1000))

    def reconcile(self, *, actor: str, dry_run: bool, wait: bool, talk: Callable[[str], None]) -> list[Finding]:
        """Every decision of one pass of the reconciler, carried out unless it is a rehearsal."""
        from lanes.commands.common.reconciling import reconcile

        return reconcile(self.store, self.ctx.clock, actor=actor, dry_run=dry_run, wait=wait, talk=talk)

    def reconcile_on(self, interval_ms: int, *, actor: str, talk: Callable[[str], None]) -> Iterator[list[Finding]]:
        """What each pass of the reconciler did, for as long as it is asked for the next."""
        from lanes.commands.common.reconciling import reconcile_on

        return reconcile_on(self.store, self.ctx.clock, interval_ms, actor=actor, talk=talk)
