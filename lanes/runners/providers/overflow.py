"""Shortens a conversation that is longer than its model can read: the oldest turns are left out.

The first provider that says so is asked once more, with fewer turns. If that is still too long, the next ones are asked
with the text alone. The text itself is never left out.
"""

from collections.abc import Iterable
from dataclasses import replace

from lanes.base.errors import RunFailed
from lanes.conversations.window import counted
from lanes.runners.base import Reply, RunContext, Turn
from lanes.runners.http.failures import AttemptFailed
from lanes.runners.providers.outgoing import Outgoing, from_window
from lanes_storage.errors import DatabaseReplaced, StorageError
from lanes_storage.law import AttemptCause, Cause
from lanes_storage.logs import Log
from lanes_storage.records import ProviderAttempt

log = Log("lanes.providers")


def shorter(outgoing: Outgoing, failure: AttemptFailed) -> Outgoing | None:
    """The request to send after this failure; None: the same one, because it was no overflow or there is nothing to
    leave out."""
    window = outgoing.window
    if window is None or window.alone or failure.cause is not AttemptCause.CONTEXT_OVERFLOW:
        return None
    return from_window(window.without_turns() if window.left_out else window.shorter(failure.message))


async def answered(run: RunContext, outgoing: Outgoing, reply: Reply) -> Reply:
    """The reply, with its size in the conversation. The turns that were left out are not sent again."""
    window = outgoing.window
    if window is None:
        return reply
    if window.left_out:
        await _start_from(run, window.turns[0].id if window.turns else None)
    size = counted(reply.usage, window, Turn(window.text, reply.text))
    return replace(reply, tokens=size, left_out=window.left_out)


async def failed(run: RunContext, outgoing: Outgoing, attempts: Iterable[ProviderAttempt]) -> RunFailed | None:
    """The failure of a run whose conversation is too long for every provider; None if one of them failed otherwise.

    If its last request contained turns, they may be at fault: the next message is sent without them.
    """
    window, attempts = outgoing.window, tuple(attempts)
    if window is None or any(attempt.cause != AttemptCause.CONTEXT_OVERFLOW for attempt in attempts):
        return None
    if window.alone:
        return RunFailed(AttemptCause.CONTEXT_OVERFLOW, "the text alone is longer than its model can read", attempts)
    await _start_from(run, None)
    sentence = f"its conversation is longer than its model can read, also without {window.left_out} of its turns"
    return RunFailed(Cause.PROVIDER_FAILED, f"{sentence}; the next message is asked without all of them", attempts)


async def _start_from(run: RunContext, turn: int | None) -> None:
    """Leave out the turns before this one from now on. If that cannot be stored, the run goes on, and the next one
    leaves them out again."""
    try:
        await run.tell_from(turn)
    except DatabaseReplaced:
        raise
    except StorageError as error:
        log.warning("run %d of lane %a: the start of its conversation cannot be stored: %s", run.id, run.key, error)
