"""The journal: one row for each change, in the transaction of the change."""

import json
from typing import Any

from lanes_storage import statements as sql
from lanes_storage.interface import Transaction
from lanes_storage.law import EventType
from lanes_storage.moment import Now


def record(
    tx: Transaction,
    type: EventType,  # noqa: A002 - the word that the journal itself uses
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
    detail: dict[str, Any] | None = None,
) -> None:
    """Write one event."""
    tx.run(
        sql.RECORD,
        {
            "at": now.wall,
            "type": type,
            "lane": lane,
            "from_state": from_state,
            "to_state": to_state,
            "run": run,
            "message": message,
            "epoch": epoch,
            "actor": actor,
            "cause": cause,
            "detail": None if detail is None else json.dumps(detail),
        },
    )


def next_epoch(tx: Transaction) -> int:
    """A fencing token that nobody had before, from the one counter of the database."""
    return int(tx.rows(sql.NEXT_EPOCH, {})[0][0])
