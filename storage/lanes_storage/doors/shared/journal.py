"""The journal: one event for each change, in the transaction of the change."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lanes_storage import statements as sql
from lanes_storage.clock import Now
from lanes_storage.interface import Given, Transaction
from lanes_storage.law import Edge, EventType


def event(
    type: EventType | Edge,  # noqa: A002 - the word that the journal itself uses
    now: Now,
    *,
    lane: int | None = None,
    from_state: str | None = None,
    to_state: str | None = None,
    run: int | None = None,
    message: int | None = None,
    epoch: int | None = None,
    actor: str | None = None,
    cause: str | None = None,
    detail: dict[str, Any] | str | None = None,
) -> Given:
    """One event, as ``statements.RECORD`` takes it. ``detail``: an object, or the JSON of one."""
    stored = detail if detail is None or isinstance(detail, str) else json.dumps(detail)
    return now.wall, str(type), lane, from_state, to_state, run, message, epoch, actor, cause, stored


def write_events(tx: Transaction, events: Sequence[Given]) -> None:
    """Write events, and mark the blocks of the journal in which their lanes have events."""
    if events:
        tx.many(sql.RECORD, events)
        tx.run(sql.MARK_BLOCKS, (len(events),))


def record(tx: Transaction, type: EventType, now: Now, **what: Any) -> None:  # noqa: A002
    """Write one event; ``what`` is as for ``event``."""
    write_events(tx, [event(type, now, **what)])


def next_epochs(tx: Transaction, count: int) -> Iterator[int]:
    """New fencing tokens, which were never used before, from the one counter of the database."""
    if count == 0:
        return iter(())
    ((last,),) = tx.rows(sql.NEXT_EPOCHS, (count,))
    return iter(range(last - count + 1, last + 1))
