"""Queries about the lanes of a session. An abort imports only this module, not the queries that list lanes."""

from lanes_storage.fragments import NAMED_LANE, lanes_of
from lanes_storage.interface import Query
from lanes_storage.tuples import NamedTuple

_STOPPING = "(SELECT r.id FROM runs r WHERE r.id = lanes.run_id AND r.abort_at IS NOT NULL)"
MEMBERS = lanes_of(NAMED_LANE, f"key, epoch, {_STOPPING}")

_QUESTION = "CASE WHEN json_valid(r.question) THEN json_extract(r.question, '$.{0}') END"
LANE_WITH_QUESTION = f"""
SELECT l.key FROM ({lanes_of(NAMED_LANE, "key, run_id")}) l JOIN runs r ON r.id = l.run_id
WHERE r.abort_at IS NULL AND {_QUESTION.format("id")} = coalesce(:question, {_QUESTION.format("id")})
ORDER BY {_QUESTION.format("answer")} IS NOT NULL, r.id LIMIT 1
"""


class Member(NamedTuple):
    """A lane of a session. ``stopping``: its run, if an abort of it was requested."""

    key: str
    epoch: int
    stopping: int | None


def members(key: str) -> Query[list[Member]]:
    """The lane of a key, and its child lanes; empty if there is no such lane."""
    return Query(MEMBERS, {"key": key}, lambda rows: [Member(*row) for row in rows])


def lane_with_question(key: str, question: str | None) -> Query[str | None]:
    """The key of the lane of a session whose run has this open question (None: any); None if there is no such lane."""
    return Query(LANE_WITH_QUESTION, {"key": key, "question": question}, lambda rows: str(rows[0][0]) if rows else None)
