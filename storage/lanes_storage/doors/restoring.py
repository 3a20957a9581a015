"""What a database that was restored from a copy must be told, since the world went on without it."""

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.interface import Transaction
from lanes_storage.law import PauseKind


def restored(tx: Transaction, now: Now, *, actor: str, epoch: int) -> list[str]:
    """Raise the epoch counter to at least ``epoch``, and pause every lane with unfinished messages; their keys.

    What waits in a copy may have been answered since it was made, so a person has to look before it runs again.
    Pauses that it has besides stay.
    """
    tx.run(sql.RAISE_EPOCH, {"least": epoch})
    unfinished = tx.rows(sql.UNFINISHED_LANES, {})
    for lane, _ in unfinished:
        pause_lane(tx, lane, PauseKind.RESTORED, now, actor=actor, reason=PauseKind.RESTORED)
    return [key for _, key in unfinished]
