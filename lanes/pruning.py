"""Pruning dead letters, which only a person does. For ``lanes.operations``."""

from lanes import incoming
from lanes.procedure import Procedure, read, tell, write
from lanes_storage import doors, reads
from lanes_storage.interface import Transaction
from lanes_storage.law import Prunable

#: Dead letters in one transaction, so that others get the write lock in between.
PAGE = 200


def prune_dead_letters(older_than_ms: int, *, actor: str) -> Procedure[int]:
    """Delete the dead letters that failed ``older_than_ms`` ago or earlier; returns how many went.

    A dead letter stays while its sender may still come again with its idempotency key (24 h).
    """
    actor, now = incoming.actor(actor), (yield from tell())
    before, after, gone = now.wall - older_than_ms, 0, 0
    while True:
        rows = yield from read(reads.old(Prunable.DEAD_LETTERS, after, PAGE))
        due = [(row.id, before) for row in rows if row.finished_at is not None and row.finished_at <= before]

        def step(tx: Transaction, due: list[tuple[int, int]] = due) -> int:
            count = doors.prune(tx, Prunable.DEAD_LETTERS, due)
            if count:
                doors.note_pruned(tx, Prunable.DEAD_LETTERS, count, older_than_ms, now, actor=actor)
            return count

        if due:
            gone += yield from write(step)
        if len(rows) < PAGE:
            return gone
        after = rows[-1].id
