"""The invariants as queries: each finds rows that break it, with the evidence.

They hold after every commit, for a file of any age: retention keeps the events of all remaining rows. Each query is one
SELECT, so that it reads one snapshot, and scans a table once or twice, with no lookup whose cost grows with another
table. The journal is most of a large file: one scan checks all that it records about runs, another all about messages.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from lanes_storage.fragments import block_of, names
from lanes_storage.interface import Query, Row
from lanes_storage.law import RELEASES, TERMINAL, Edge, EventType, MessageState

#: The terminal states of a message other than ``done``.
BADLY = TERMINAL - {MessageState.DONE}
#: The most violations of one invariant that are shown.
SHOWN = 20


class Breach(NamedTuple):
    """One row that breaks an invariant. ``key`` is the key of its lane as stored, or None if there is no such lane."""

    id: int
    key: str | None
    evidence: str


class JournalCounts(NamedTuple):
    """How many events of some types the journal has about each run, or about each message, counted in one scan.

    ``columns``: the columns of the row that conditions and evidence use. Only events of these types are grouped, since
    grouping takes memory for each event.
    """

    table: str
    of: str
    columns: str
    types: Mapping[str, Iterable[StrEnum]]
    more: str = ""

    def found(self, conditions: Iterable[str]) -> str:
        """The common table expression ``found``: the rows that fulfil one of the conditions."""
        every = {each for types in self.types.values() for each in types}
        counts = [f"count(*) FILTER (WHERE type IN ({names(types)})) AS {name}" for name, types in self.types.items()]
        selected = [f"coalesce(e.{name}, 0) AS {name}" for name in self.types]
        return f"""
WITH counted AS (
  SELECT {self.of} AS id, {", ".join(counts)}{self.more} FROM events
  WHERE type IN ({names(every)}) AND {self.of} IS NOT NULL GROUP BY {self.of}
), found AS MATERIALIZED (
  SELECT * FROM (SELECT {self.columns}, {", ".join(selected)} FROM {self.table} t LEFT JOIN counted e ON e.id = t.id)
  WHERE {" OR ".join(f"({each})" for each in conditions)}
)"""


class Invariant(NamedTuple):
    """One invariant, with the statement that finds the rows that break it.

    ``number`` is the number of the promise (one run at a time 1, held by its run 2, nothing lost 3, order 4, fencing 5,
    journal 6), ``statement`` selects an id, a lane key, and the values for the text ``evidence``. ``counts``: the
    statement selects them from ``found``, the rows whose counts fulfil ``condition``.
    """

    name: str
    number: int
    sentence: str
    statement: str
    evidence: str
    counts: JournalCounts | None = None
    condition: str = ""


class Examination(NamedTuple):
    """Invariants that one query checks."""

    invariants: tuple[Invariant, ...]

    @property
    def scans_journal(self) -> bool:
        """Whether the query reads the whole journal, which is most of a large file."""
        return any(one.counts is not None or "FROM events" in one.statement for one in self.invariants)

    def query(self) -> Query[list[tuple[Invariant, Breach]]]:
        """The rows that break the invariants, at most ``SHOWN`` for each."""
        counts = self.invariants[0].counts
        found = "" if counts is None else counts.found(one.condition for one in self.invariants)
        chosen = (
            f"SELECT {place}, x.* FROM ({one.statement.strip()} LIMIT {SHOWN}) x"
            for place, one in enumerate(self.invariants)
        )

        def shape(rows: list[Row]) -> list[tuple[Invariant, Breach]]:
            return [
                ((one := self.invariants[place]), Breach(id_, key, one.evidence.format(*values)))
                for place, id_, key, *values in rows
            ]

        return Query(f"{found} {' UNION ALL '.join(chosen)}", {}, shape)


#: How many values the evidence of each invariant has at most that is checked by counts.
_VALUES = 3


def _counted(
    counts: JournalCounts, name: str, number: int, sentence: str, condition: str, values: tuple[str, ...], evidence: str
) -> Invariant:
    selected = ", ".join([*(f"f.{value}" for value in values), *["NULL"] * (_VALUES - len(values))])
    rows = f"(SELECT * FROM found WHERE {condition})"
    statement = f"SELECT f.id, l.key, {selected} FROM {rows} f LEFT JOIN lanes l ON l.id = f.lane_id"
    return Invariant(name, number, sentence, statement, evidence, counts, condition)


_OF_RUNS = JournalCounts(
    "runs",
    "run_id",
    "t.id, t.lane_id, t.edge, t.refused_writes, t.abort_at, t.abort_actor, e.release",
    {
        "claims": (Edge.CLAIM,),
        "releases": RELEASES,
        "refusals": (EventType.REFUSED_WRITE,),
        "requests": (EventType.ABORT_REQUESTED,),
    },
    f", max(type) FILTER (WHERE type IN ({names(RELEASES)})) AS release",
)
_OF_MESSAGES = JournalCounts(
    "messages",
    "message_id",
    "t.id, t.lane_id, t.state, t.run_id, t.answered_by",
    {
        "acceptances": (EventType.ACCEPTED,),
        "takings": (EventType.ANSWERED, EventType.STEERED),
        "endings": (EventType.ENDED,),
        "notices": (EventType.NOTICE,),
    },
)


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "one-run",
        1,
        "no lane has two open runs",
        """
        SELECT r.lane_id, max(l.key), count(*), min(r.id), max(r.id) FROM runs r LEFT JOIN lanes l ON l.id = r.lane_id
        WHERE r.ended_at IS NULL GROUP BY r.lane_id HAVING count(*) > 1
        """,
        "{} open runs, from {} to {}",
    ),
    Invariant(
        "held-by-its-run",
        2,
        "a running lane is held by an open run of its own, which has its epoch",
        """
        SELECT l.id, l.key, l.run_id, l.epoch FROM lanes l WHERE l.state = 'running' AND (l.run_id IS NULL
          OR l.epoch <> l.run_id
          OR NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = l.run_id AND r.lane_id = l.id AND r.ended_at IS NULL))
        """,
        "running under run {} and epoch {}, but no open run of the lane has these",
    ),
    Invariant(
        "released-is-free",
        2,
        "a released lane has no open run",
        """
        SELECT r.lane_id, l.key, l.state, r.id FROM runs r LEFT JOIN lanes l ON l.id = r.lane_id
        WHERE r.ended_at IS NULL AND (l.id IS NULL OR l.state <> 'running' OR l.run_id IS NULL OR l.run_id <> r.id)
        """,
        "the lane is {}, run {} is open",
    ),
    Invariant(
        "run-has-its-message",
        2,
        "the message of an open run is running in it",
        """
        SELECT r.id, l.key, r.message_id, m.state, m.run_id FROM runs r LEFT JOIN lanes l ON l.id = r.lane_id
        LEFT JOIN messages m ON m.id = r.message_id
        WHERE r.ended_at IS NULL AND (m.id IS NULL OR m.state <> 'running' OR m.run_id <> r.id)
        """,
        "its message {} is {} in run {}",
    ),
    Invariant(
        "message-has-its-run",
        3,
        "a running message belongs to the open run of its lane",
        """
        SELECT m.id, l.key, m.run_id, l.run_id FROM messages m LEFT JOIN lanes l ON l.id = m.lane_id
        WHERE m.state = 'running' AND (l.run_id IS NULL OR l.run_id <> m.run_id)
        """,
        "running in run {}, its lane is held by run {}",
    ),
    Invariant(
        "head-is-oldest",
        3,
        "the head of a lane is its oldest waiting message",
        """
        SELECT l.id, l.key, l.head_id, q.oldest FROM lanes l
        LEFT JOIN (SELECT lane_id, id AS oldest, min(rank) FROM messages WHERE state = 'queued' GROUP BY lane_id) q
          ON q.lane_id = l.id
        WHERE coalesce(l.head_id, 0) <> coalesce(q.oldest, 0)
        """,
        "the head is {}, the oldest that waits is {}",
    ),
    Invariant(
        "message-has-its-lane",
        3,
        "every message belongs to a lane",
        """
        SELECT m.id, NULL, m.lane_id FROM messages m WHERE NOT EXISTS (SELECT 1 FROM lanes l WHERE l.id = m.lane_id)
        """,
        "its lane {} does not exist",
    ),
    Invariant(
        "run-has-its-lane",
        3,
        "every run belongs to a lane",
        """
        SELECT r.id, NULL, r.lane_id FROM runs r WHERE NOT EXISTS (SELECT 1 FROM lanes l WHERE l.id = r.lane_id)
        """,
        "its lane {} does not exist",
    ),
    Invariant(
        "meant-for-an-open-run",
        3,
        "a message that is meant for a run waits in the lane of that run, which is open",
        """
        SELECT m.id, l.key, m.for_run, m.state FROM messages m LEFT JOIN lanes l ON l.id = m.lane_id
        WHERE m.for_run IS NOT NULL AND (m.state <> 'queued' OR l.run_id IS NULL OR l.run_id <> m.for_run)
        """,
        "meant for run {}, which does not hold its lane; it is {}",
    ),
    _counted(
        _OF_MESSAGES,
        "taken-in-the-journal",
        6,
        "every done message that never ran was taken by a run or answered with others, and the journal says so",
        "state = 'done' AND run_id IS NULL AND takings <> 1",
        ("answered_by", "takings"),
        "answered by {}, the journal has {} takings",
    ),
    _counted(
        _OF_MESSAGES,
        "ended-in-the-journal",
        3,
        "every message that ended badly without a run has one event in the journal",
        f"state IN ({names(BADLY)}) AND run_id IS NULL AND endings <> 1",
        ("state", "endings"),
        "it is {} and never ran, and the journal has {} endings",
    ),
    _counted(
        _OF_MESSAGES,
        "one-notice",
        3,
        "every failed, aborted or dropped message has one notice, and no other message has any",
        f"notices <> CASE WHEN state IN ({names(BADLY)}) THEN 1 ELSE 0 END",
        ("state", "notices"),
        "it is {} and has {} notices",
    ),
    Invariant(
        "answered-once",
        3,
        "no message was answered by two runs",
        """
        SELECT r.message_id, max(l.key), count(*), min(r.id), max(r.id) FROM runs r
        LEFT JOIN lanes l ON l.id = r.lane_id WHERE r.edge = 'complete' GROUP BY r.message_id HAVING count(*) > 1
        """,
        "{} runs completed it, from {} to {}",
    ),
    Invariant(
        "in-order",
        4,
        "no message started before an older one of its lane that still waits, unless both were answered together, or"
        " one was moved",
        """
        SELECT l.id, l.key, l.head_id FROM lanes l JOIN messages h ON h.id = l.head_id
        WHERE h.moved_to IS NULL AND EXISTS
          (SELECT 1 FROM messages m WHERE m.lane_id = l.id AND m.id > h.id AND m.started_at IS NOT NULL
            AND m.moved_to IS NULL AND (m.batch IS NULL OR h.batch IS NULL OR m.batch <> h.batch))
        """,
        "its head is message {}, and a newer one has started",
    ),
    Invariant(
        "epoch-from-the-counter",
        5,
        "no epoch is larger than the counter",
        """
        SELECT l.id, l.key, l.epoch, c.value FROM lanes l CROSS JOIN counters c
        WHERE c.name = 'epoch' AND l.epoch > c.value
        """,
        "it has epoch {}, the counter {}",
    ),
    Invariant(
        "one-epoch",
        5,
        "no two lanes have the same epoch",
        "SELECT min(id), min(key), epoch, count(*) FROM lanes WHERE epoch > 0 GROUP BY epoch HAVING count(*) > 1",
        "epoch {} is that of {} lanes",
    ),
    Invariant(
        "epoch-rises",
        5,
        "no lane has an older epoch than one of its runs",
        """
        SELECT l.id, l.key, l.epoch FROM (SELECT lane_id, max(id) AS last FROM runs GROUP BY lane_id) r
        JOIN lanes l ON l.id = r.lane_id WHERE r.last > l.epoch
        """,
        "it has epoch {}, and had a newer run",
    ),
    Invariant(
        "reply-of-a-completed-run",
        5,
        "the reply of a message came from a run that completed",
        """
        SELECT m.id, l.key, m.run_id, r.edge FROM messages m JOIN runs r ON r.id = m.run_id
        LEFT JOIN lanes l ON l.id = m.lane_id
        WHERE m.state = 'done' AND (r.edge IS NULL OR r.edge <> 'complete')
        """,
        "done in run {}, which ended by {}",
    ),
    _counted(
        _OF_RUNS,
        "refusals-are-counted",
        5,
        "every refused write of a run is counted and told",
        "refused_writes <> refusals",
        ("refused_writes", "refusals"),
        "{} refused writes, the journal has {}",
    ),
    _counted(
        _OF_RUNS,
        "claim-in-the-journal",
        6,
        "every run has one claim in the journal",
        "claims <> 1",
        ("claims",),
        "the journal has {} claims",
    ),
    _counted(
        _OF_RUNS,
        "release-in-the-journal",
        6,
        "every run that ended has one release in the journal, by the edge that ended it, and no other has any",
        "releases <> CASE WHEN edge IS NULL THEN 0 ELSE 1 END OR edge <> release",
        ("edge", "releases", "release"),
        "it ended by {}, the journal has {} releases: {}",
    ),
    _counted(
        _OF_RUNS,
        "abort-in-the-journal",
        6,
        "every abort that was asked for is in the journal",
        "(abort_at IS NULL) <> (requests = 0)",
        ("abort_actor", "requests"),
        "asked for by {}, the journal has {} requests",
    ),
    _counted(
        _OF_MESSAGES,
        "acceptance-in-the-journal",
        6,
        "every message has one acceptance in the journal",
        "acceptances <> 1",
        ("acceptances",),
        "the journal has {} acceptances",
    ),
    Invariant(
        "found-by-its-lane",
        6,
        "every event of a lane is found by that lane",
        f"""
        SELECT e.id, l.key, e.lane_id FROM events e LEFT JOIN lanes l ON l.id = e.lane_id
        WHERE e.lane_id IS NOT NULL AND NOT EXISTS
          (SELECT 1 FROM event_blocks b WHERE b.lane_id = e.lane_id AND b.block = {block_of("e.id")})
        """,
        "no block of lane {} has it",
    ),
    Invariant(
        "state-in-the-journal",
        6,
        # The events of later changes may have been pruned: for example an acknowledgement, which belongs to no message.
        "every lane that was not touched since is in the last state in the journal",
        f"""
        SELECT l.id, l.key, l.state, e.to_state, e.id FROM lanes l JOIN
          (SELECT lane_id, max(id) AS last FROM events WHERE type IN ({names(Edge)}) GROUP BY lane_id) t
          ON t.lane_id = l.id
        JOIN events e ON e.id = t.last
        WHERE e.to_state <> l.state AND e.at = l.updated_at
        """,
        "the lane is {}, the journal says {} (event {})",
    ),
)
#: Every invariant once.
EXAMINATIONS: tuple[Examination, ...] = (
    *(Examination((one,)) for one in INVARIANTS if one.counts is None),
    *(Examination(tuple(one for one in INVARIANTS if one.counts is each)) for each in (_OF_RUNS, _OF_MESSAGES)),
)
