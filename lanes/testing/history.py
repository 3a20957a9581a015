"""Judges a campaign by its journal: lost, duplicated, overlapping and misordered messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lanes_storage import reads
from lanes_storage.interface import Reader
from lanes_storage.law import COUNTED_INTERRUPTIONS, INTERRUPTIONS, RELEASES, TERMINAL, EventType
from lanes_storage.records import EventRow

#: How many events are read at a time.
PAGE = 5_000
#: Events that end a message that had no run.
ENDINGS = frozenset({EventType.ENDED, EventType.ANSWERED, EventType.STEERED})


@dataclass(slots=True)
class History:
    """The counts and problems of a campaign, each problem as a sentence. ``str`` gives the summary line."""

    messages: int = 0
    unfinished: int = 0
    interruptions: int = 0  # counted ones: the owner was gone or silent
    #: Runs that their owner did not end: their requests may still have been in flight when the next run began.
    cut_runs: set[int] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)  # the journal against itself, or against the rows

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong."""
        return [*self.lost, *self.duplicated, *self.overlaps, *self.out_of_order, *self.contradictions]

    def take(self, other: "History") -> None:
        """Add the problems that another judge found."""
        for name in ("lost", "duplicated", "overlaps", "out_of_order", "contradictions"):
            getattr(self, name).extend(getattr(other, name))

    def __str__(self) -> str:
        line = (
            f"messages {self.messages}, {len(self.lost)} lost, {len(self.duplicated)} duplicated, "
            f"{len(self.overlaps)} overlaps, {len(self.out_of_order)} out of order"
        )
        return line + (f", {len(self.contradictions)} contradictions" if self.contradictions else "")


def read_history(reader: Reader, acknowledged: Iterable[int] = (), *, settled: bool = False) -> History:
    """Judge the whole journal of a database, of which nothing may have been pruned.

    No two runs of a lane overlap; messages of a lane start in the order in which they were accepted, unless they were
    moved; every message has at most one ending and one answer, and every id in ``acknowledged`` was accepted.
    ``settled``: the campaign is over, so every message must have ended. The journal is in the order of the commits.
    Call this while nothing writes. Raises ``StorageError``.
    """
    journal = _Journal()
    after = 0
    while page := reader.read(reads.events(after=after, limit=PAGE)):
        for event in page:
            journal.add(event)
        after = page[-1].id
    history = journal.history
    history.messages = len(journal.accepted)
    _compare_lanes(reader, journal)
    _compare_messages(reader, journal)
    history.unfinished = len(journal.accepted - journal.ended.keys())
    history.lost += [
        f"message {id_} was acknowledged, and is not there" for id_ in acknowledged if id_ not in journal.accepted
    ]
    if settled:
        left = sorted(journal.accepted - journal.ended.keys())
        history.lost += [f"message {id_} was accepted, and never ended" for id_ in left]
    return history


class _Journal:
    """The state of lanes and messages after the events that were read."""

    def __init__(self) -> None:
        self.history = History()
        self.accepted: set[int] = set()
        self.ended: dict[int, str] = {}
        self.held: dict[str, int] = {}
        self._answered: dict[int, int] = {}
        self._newest: dict[str, int] = {}  # by key: the newest message that has started
        self._beside: dict[str, list[int]] = {}  # by key: the messages that started together with it
        self._members: dict[int, list[int]] = {}  # by run: its messages
        self._moved: set[int] = set()  # by a person, or because they let others pass

    def add(self, event: EventRow) -> None:
        key = event.key or "?"
        if event.type == EventType.ACCEPTED and event.message_id is not None:
            self.accepted.add(event.message_id)
        elif event.type == EventType.CLAIM and event.run_id is not None:
            self._claimed(key, event.run_id, event)
        elif event.type in RELEASES and event.run_id is not None:
            self._released(key, event.run_id, event)
        elif event.message_id is not None and (event.type == EventType.MOVED or (event.detail or {}).get("aside")):
            self._moved.add(event.message_id)
        elif event.type in ENDINGS and event.message_id is not None and event.to_state in TERMINAL:
            self._end(event.message_id, str(event.to_state))

    def _claimed(self, key: str, run: int, event: EventRow) -> None:
        if key in self.held:
            self.history.overlaps.append(f"lane {key!r}: run {run} claimed while run {self.held[key]} held it")
        self.held[key] = run
        members = (event.detail or {}).get("members") or [event.message_id]
        self._members[run] = members
        newest = self._newest.get(key, 0)
        for message in members:
            if message < newest and message not in self._moved and message not in self._beside[key]:
                self.history.out_of_order.append(f"lane {key!r}: message {message} started after {newest}")
            if message in self.ended:
                self.history.duplicated.append(f"message {message} ran again after it had ended")
        self._newest[key] = max([newest, *(message for message in members if message not in self._moved)])
        if self._newest[key] > newest:
            self._beside[key] = members

    def _released(self, key: str, run: int, event: EventRow) -> None:
        if self.held.get(key) != run:
            self.history.overlaps.append(f"lane {key!r}: run {run} released what it did not hold")
        else:
            del self.held[key]
        detail = event.detail or {}
        self._moved.update(self._members[run] if detail.get("aside") else ())
        self.history.interruptions += event.cause in COUNTED_INTERRUPTIONS
        if event.cause in INTERRUPTIONS or detail.get("forced"):
            self.history.cut_runs.add(run)
        if event.type == EventType.COMPLETE:
            self._answer(run)
        if detail.get("message_state") in TERMINAL and event.message_id is not None:
            self._end(event.message_id, detail["message_state"])

    def _answer(self, run: int) -> None:
        for message in self._members.get(run, []):
            if message in self._answered:
                before = self._answered[message]
                self.history.duplicated.append(f"message {message} was answered by run {before} and by run {run}")
            self._answered[message] = run

    def _end(self, message: int, state: str) -> None:
        if message in self.ended:
            self.history.duplicated.append(f"message {message} ended {self.ended[message]}, then {state}")
        self.ended[message] = state


def _compare_lanes(reader: Reader, journal: _Journal) -> None:
    """Check that the lanes which the journal leaves held are those that the rows hold."""
    rows = {run.key: run.id for run in reader.read(reads.open_runs())}
    if rows != journal.held:
        journal.history.contradictions.append(f"the rows hold {rows}, the journal {journal.held}")


def _compare_messages(reader: Reader, journal: _Journal) -> None:
    for message in sorted(journal.accepted):
        row = reader.read(reads.message(message))
        if row is None:
            journal.history.lost.append(f"message {message} was accepted, and is not there")
        elif (row.state if row.state in TERMINAL else None) != journal.ended.get(message):
            ending = journal.ended.get(message, "unfinished")
            journal.history.contradictions.append(f"message {message} is {row.state}, the journal says {ending}")
