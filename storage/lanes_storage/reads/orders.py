"""The orders in which lanes are listed. Each is a few walks, one after another.

A walk selects lanes by a condition and sorts them by terms. If one index serves both, the walk stops at the limit, so
that a first page costs the same for a thousand lanes and for a million. This is so for ``attention``, ``silent``,
``lane``, ``held`` and ``wait``; the others read all lanes that have the value, and keep only as many as the limit.
"""

from lanes_storage.fragments import head_of, names, of_own_lane, queued_of
from lanes_storage.law import REMEMBERING
from lanes_storage.records import LaneOrder, LaneSort
from lanes_storage.tuples import NamedTuple


class Term(NamedTuple):
    """An expression to sort by; never null within its walk."""

    sql: str
    descending: bool = False

    @property
    def turned(self) -> "Term":
        return Term(self.sql, not self.descending)

    @property
    def rising(self) -> str:
        """A number that increases in the direction of this term."""
        return f"-({self.sql})" if self.descending else self.sql


class Walk(NamedTuple):
    """Lanes that meet a condition, sorted by a text, if any, and then by one or two numbers.

    If a walk sorts only by a text, that text is unique; otherwise the last number is unique.
    """

    condition: str
    numbers: tuple[Term, ...]
    text: Term | None = None

    @property
    def turned(self) -> "Walk":
        text = None if self.text is None else self.text.turned
        return Walk(self.condition, tuple(term.turned for term in self.numbers), text)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The sort terms, the most significant first."""
        return self.numbers if self.text is None else (self.text, *self.numbers)

    @property
    def order(self) -> str:
        """The SQL that follows ORDER BY."""
        return ", ".join(f"{term.sql}{' DESC' if term.descending else ''}" for term in self.terms)

    @property
    def values(self) -> str:
        """Three columns to sort the lanes of several walks: a text and two ascending numbers."""
        text = "''" if self.text is None else self.text.sql
        first, second, *_ = (*(term.rising for term in self.numbers), "0", "0")
        return f"{text} AS word, {first} AS first, {second} AS second"


NEWEST = Term("l.id", descending=True)
HEAD = Term("l.head_id")
#: The same for lanes of which some have none: it is unique, too.
ANY_HEAD = Term("coalesce(l.head_id, -l.id)")
#: The id of a run increases with each claim, so this is the longest held first.
RUN = Term("l.run_id")
QUEUED = queued_of("l")
#: Something waits: in the lane, or in another one of a session with child lanes. Its lanes are found by two indexes.
QUEUES = f"{head_of('l')} IS NOT NULL"
MAY_QUEUE = """
SELECT id FROM lanes WHERE head_id IS NOT NULL UNION ALL SELECT id FROM lanes WHERE parent_id IS NOT NULL
UNION ALL SELECT parent_id FROM lanes WHERE parent_id IS NOT NULL
"""

TRIED = "coalesce(rm.interruptions, hm.interruptions, 0)"

_USED, _COST = of_own_lane("l", "input_tokens"), of_own_lane("l", "cost_micros")

HELD = "l.run_id IS NOT NULL"
NOT_HELD = Walk("l.run_id IS NULL", (NEWEST,))
NOT_WAITING = Walk("l.head_id IS NULL", (NEWEST,))

ATTENTION = (
    Walk("l.head_id IS NOT NULL", (HEAD,)),
    Walk("l.head_id IS NULL AND l.run_id IS NOT NULL", (RUN,)),
    Walk("l.head_id IS NULL AND l.state = 'errored'", (NEWEST,)),
    Walk("l.head_id IS NULL AND l.state = 'aborted'", (NEWEST,)),
    Walk("l.head_id IS NULL AND l.state = 'idle'", (NEWEST,)),
)
SILENT = "s.value IS NOT NULL"  # joined from the ids that the order names
NOT_SILENT = "(l.run_id IS NULL OR l.run_id NOT IN (SELECT value FROM json_each(:silent)))"

WALKS: dict[LaneSort, tuple[Walk, ...]] = {
    LaneSort.ATTENTION: ATTENTION,
    LaneSort.SILENT: (
        Walk(SILENT, (Term("s.key"),)),
        *(each._replace(condition=f"{each.condition} AND {NOT_SILENT}") for each in ATTENTION[:2]),
        *ATTENTION[2:],
    ),
    LaneSort.STATE: (
        Walk("l.state = 'errored'", (NEWEST,)),
        Walk("l.state = 'aborted'", (NEWEST,)),
        Walk(HELD, (RUN,)),
        Walk("l.state = 'idle'", (NEWEST,)),
    ),
    LaneSort.LANE: (Walk("1 = 1", (), text=Term("l.key")),),
    LaneSort.HELD: (Walk(HELD, (RUN,)), NOT_HELD),
    LaneSort.BEAT: (Walk(HELD, (Term("o.heartbeat_at"), RUN)), NOT_HELD),
    LaneSort.QUEUE: (
        Walk(f"l.id IN ({MAY_QUEUE}) AND {QUEUES}", (Term(QUEUED, descending=True), ANY_HEAD)),
        Walk(f"NOT ({QUEUES})", (NEWEST,)),
    ),
    LaneSort.WAIT: (Walk("l.head_id IS NOT NULL", (HEAD,)), NOT_WAITING),
    LaneSort.OWNER: (Walk(HELD, (Term("o.pid"), RUN), text=Term("o.host")), NOT_HELD),
    LaneSort.ERROR: (
        Walk("l.state = 'errored'", (Term("l.error_at", descending=True), NEWEST), text=Term("l.error_cause")),
        Walk("l.state = 'aborted'", (NEWEST,)),
        Walk(f"l.state NOT IN ({names(REMEMBERING)})", (NEWEST,)),
    ),
    LaneSort.TRY: (Walk(f"{TRIED} > 0", (Term(TRIED, descending=True), NEWEST)), Walk(f"{TRIED} = 0", (NEWEST,))),
    LaneSort.COST: (
        Walk(f"{_USED} IS NOT NULL", (Term(f"coalesce({_COST}, 0)", descending=True), NEWEST)),
        Walk(f"{_USED} IS NULL", (NEWEST,)),
    ),
    LaneSort.EPOCH: (Walk("1 = 1", (Term("l.epoch", descending=True), NEWEST)),),
    LaneSort.CHANGED: (Walk("1 = 1", (Term("l.updated_at", descending=True), NEWEST)),),
}
#: In these orders every lane has a value, so reversing the order reverses all walks.
WHOLE = frozenset({LaneSort.ATTENTION, LaneSort.SILENT, LaneSort.STATE})


def walks_of(order: LaneOrder) -> tuple[Walk, ...]:
    """The walks of an order, in the order in which they are listed."""
    walks = WALKS[order.by]
    if not order.reverse:
        return walks
    if order.by in WHOLE:
        return tuple(walk.turned for walk in reversed(walks))
    return walks[0].turned, *walks[1:]
