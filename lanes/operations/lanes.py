"""Looking at lanes."""

from lanes.errors import NotFound
from lanes.finding import timed
from lanes.identity import this_process
from lanes.procedure import Procedure, read, tell
from lanes.records import Counts, Event, Lane, LaneDetail, Message, Run, Witness
from lanes.why import Circumstances, why_paragraph
from lanes_storage import reads
from lanes_storage import records as rows
from lanes_storage.records import LaneFilter, LaneOrder

#: How many messages and events the view of one lane shows.
SHOWN_MESSAGES = 50
SHOWN_EVENTS = 20
#: And how many characters these have together, the newest message apart.
SHOWN_CHARACTERS = 16_000_000
BY_ATTENTION = LaneOrder()


def lanes(
    chosen: LaneFilter, *, order: LaneOrder = BY_ATTENTION, limit: int | None = None, offset: int = 0
) -> Procedure[list[Lane]]:
    """Lanes in some order; by attention, unfinished ones first, the head that has waited longest at the top."""
    chosen = yield from timed(chosen)
    found = yield from read(reads.lanes(chosen, order=order, limit=limit, offset=offset))
    witness = Witness((yield from tell()))
    return [Lane.of(row, witness) for row in found]


def lanes_total(chosen: LaneFilter) -> Procedure[int]:
    """How many lanes a filter chooses."""
    return (yield from read(reads.lanes_total((yield from timed(chosen)))))


def counts() -> Procedure[Counts]:
    """How much there is of everything."""
    now = yield from tell()
    return Counts.of((yield from read(reads.counts(now.wall))), Witness(now))


def row_of(key: str) -> Procedure[rows.Lane]:
    """The row of one lane. Raises NotFound."""
    found = yield from read(reads.lane(key))
    if found is None:
        raise NotFound("lane", key)
    return found


def lane(key: str) -> Procedure[Lane]:
    """One lane. Raises NotFound."""
    row = yield from row_of(key)
    return Lane.of(row, Witness((yield from tell())))


def detail(key: str) -> Procedure[LaneDetail]:
    """One lane with its messages, events and why-paragraph. Raises NotFound."""
    row = yield from row_of(key)
    newest = yield from read(reads.messages(row.id, (), SHOWN_MESSAGES, within=SHOWN_CHARACTERS))
    last = yield from read(reads.events(lane=row.id, limit=SHOWN_EVENTS, newest=True))
    circumstances = yield from _circumstances(row)
    witness = Witness(circumstances.now)
    return LaneDetail(
        lane=Lane.of(row, witness),
        why=why_paragraph(row, circumstances),
        run=None if row.run is None else Run.of(row.run, row.owner, witness),
        messages=tuple(map(Message.of, newest)),
        events=tuple(map(Event.of, last)),
    )


def why(key: str) -> Procedure[str]:
    """One plain paragraph: what blocks this lane, the evidence, what happens next and when. Raises NotFound."""
    found = yield from row_of(key)
    return why_paragraph(found, (yield from _circumstances(found)))


def _circumstances(found: rows.Lane) -> Procedure[Circumstances]:
    now = yield from tell()
    owners = yield from read(reads.owners())
    head = None if found.head_id is None else (yield from read(reads.message(found.head_id)))
    cooling = yield from read(reads.cooldowns(now.wall))
    last = yield from read(reads.events(lane=found.id, limit=1, newest=True))
    waits = (yield from read(reads.waits(found.run.id))) if found.run is not None and found.run.waiting else []
    running = (yield from read(reads.open_runs())) if found.run is None and head is not None else []
    return Circumstances(now, this_process(), owners, head, cooling, last[-1] if last else None, waits, running)
