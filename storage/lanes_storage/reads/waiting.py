"""Queries about waiting heads, for warnings."""

from lanes_storage.interface import Query
from lanes_storage.records import WaitingHead

WAITING_HEADS = """
SELECT l.head_id, l.key, m.accepted_at, m.wait_warned_at FROM lanes l JOIN messages m ON m.id = l.head_id
WHERE l.head_id > :after ORDER BY l.head_id
"""


def waiting_heads(after: int, limit: int) -> Query[list[WaitingHead]]:
    """The waiting heads after message ``after``, the longest wait first."""
    return Query(f"{WAITING_HEADS} LIMIT {limit:d}", {"after": after}, lambda rows: [WaitingHead(*row) for row in rows])
