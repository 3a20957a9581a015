"""Changes that are needed in a database that was restored from a copy."""

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.interface import Transaction
from lanes_storage.law import PauseKind


def restored(tx: Transaction, now: Now, *, actor: str, epoch: int) -> list[str]:
    """Raise the epoch counter to at least ``epoch``, and pause every lane with unfinished messages; returns their keys.

    Waiting messages of a copy may have been answered since the copy was made, so a person must check before they run.
    Other pauses stay.
    """
    tx.run(sql.RAISE_EPOCH, {"least": epoch})
    unfinished = tx.rows(sql.UNFINISHED_LANES, {})
    for lane, _ in unfinished:
        pause_lane(tx, lane, PauseKind.RESTORED, now, actor=actor, reason=PauseKind.RESTORED)
    return [key for _, key in unfinished]
