"""What an operator does with lanes."""

from lanes import records
from lanes.base import arguments
from lanes.desk.base import EMBEDDER, DeskBase
from lanes.records import Lane
from lanes.verbs import control
from lanes_storage.law import Cause, Scope


class DeskControl(DeskBase):
    """Abort, pause, resume, acknowledge."""

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

        ``epoch``: only if the lane is still at it. ``grace_ms``: instead of the grace of the run; ``force``: no grace.
        ``wait`` False, or after ``timeout`` seconds: the outcome is ``pending`` and the request remains.
        ``source``: whose lane of that name is meant; ``reset``: reset the session of a watched lane if nothing else
        ends its run. Raises NotFound, Unfit, Ambiguous.
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
        until: int | None = None,
        epoch: int | None = None,
    ) -> Lane:
        """Stop a lane from claiming until ``until`` (a wall time to come, ms) or resumed. Raises NotFound, Changed."""
        effect = control.pause(self.context(actor), key, until=until, reason=reason, epoch=epoch)
        return (await self.perform(effect)).lane

    async def resume(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """Let a lane claim again. Raises NotFound, Changed."""
        return (await self.perform(control.resume(self.context(actor), key, epoch=epoch))).lane

    async def pause_all(
        self, match: str = "*", *, actor: str = EMBEDDER, reason: str | None = None, until: int | None = None
    ) -> records.GlobActed:
        """Let every lane whose key fits a glob claim nothing, lanes to come included, until ``until`` or resumed."""
        return await self.perform(control.pause_all(self.context(actor), match=match, until=until, reason=reason))

    async def resume_all(
        self, match: str = "*", *, set_at: int | None = None, actor: str = EMBEDDER
    ) -> records.GlobActed:
        """End the pause of a glob. Lanes that are paused themselves, or by another glob, stay paused."""
        return await self.perform(control.resume_all(self.context(actor), match=match, set_at=set_at))

    async def ack(self, key: str, *, actor: str = EMBEDDER, epoch: int | None = None) -> Lane:
        """Acknowledge: errored or aborted back to idle. Raises NotFound, Changed, NotAllowed on a running lane."""
        return (await self.perform(control.ack(self.context(actor), key, epoch=epoch))).lane
