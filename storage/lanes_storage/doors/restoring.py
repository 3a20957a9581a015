"""What a database that was restored from a copy must be told, since the world went on without it."""

from lanes_storage import statements as sql
from lanes_storage.doors.control import pause
from lanes_storage.interface import Transaction
from lanes_storage.moment import Now

#: Why a lane is paused that had unfinished messages when its database was restored.
RESTORED = "restored"


def restored(tx: Transaction, now: Now, *, actor: str, epoch: int) -> list[str]:
    """Raise the epoch counter to at least ``epoch``, and pause every lane with unfinished messages; their keys.

    What waits in a copy may have been answered since it was made, so a person has to look before it runs again.
    A lane that is paused until someone resumes it keeps its own reason.
    """
    tx.run(sql.RAISE_EPOCH, {"least": epoch})
    keys = [row[0] for row in tx.rows(sql.UNFINISHED_LANES, {})]
    for key in keys:
        pause(tx, key, now, actor=actor, reason=RESTORED)
    return keys
