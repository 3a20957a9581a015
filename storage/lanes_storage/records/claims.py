"""What claiming and releasing a lane reads and gives.

Times are whole milliseconds: ``…_at`` is wall time (Unix), ``…_boot`` the boot clock of the process that wrote it,
``…_ms`` a duration. Ids are integers given by the database and rise with time.
"""

from typing import NamedTuple

from lanes_storage.law import BoundTo, Edge, LaneState, MessageState
from lanes_storage.records.given import Terms, Ticket
from lanes_storage.records.stored import Message


class Head(NamedTuple):
    """The head of a released lane that might be claimed, and what decides about it."""

    lane_id: int
    key: str
    state: LaneState
    epoch: int
    message_id: int
    runner: str | None
    interruptions: int
    parked_since: int | None
    accepted_at: int
    batch: int | None
    paused_before: bool = False  # its lane had a pause, which has run out


class Waiting(NamedTuple):
    """A message that waits behind or at the head of a lane, as far as collecting is about it."""

    id: int
    text: str | None
    runner: str | None
    bound_to: BoundTo | None
    batch: int | None
    accepted_at: int
    interruptions: int = 0


class WaitingHead(NamedTuple):
    """The oldest waiting message of a lane. ``warned_at``: when its long wait was said, None: not yet."""

    message_id: int
    key: str
    accepted_at: int
    warned_at: int | None


class WaitingLane(NamedTuple):
    """A released lane with its head, as a dispatcher keeps account of it. ``free_at``: until when (wall time) a park or
    a pause keeps it from being claimed; past: nothing does."""

    lane_id: int
    message_id: int
    key: str
    runner: str | None
    bound_owner: int | None
    interruptions: int
    free_at: int


class News(NamedTuple):
    """What the journal says that is new: its last event, whether it speaks of many lanes at once; and whether few
    heads wait."""

    last: int
    of_many: bool
    few: bool


class Old(NamedTuple):
    """A row on its way to be pruned. ``finished_at`` None: it has to stay; ``key`` None: it is of no lane."""

    id: int
    key: str | None
    finished_at: int | None
    made_at: int


class Claimed(NamedTuple):
    """A claim that landed: the run, its fence and the message it is for.

    ``members`` are the messages that it answers, in their order; more than one where they were collected. Then
    ``message`` is the last of them, with all their texts.
    """

    ticket: Ticket
    message: Message
    terms: Terms
    members: tuple[int, ...] = ()


class Release(NamedTuple):
    """What a release door did.

    ``landed`` False: the run had lost its lane before (its id and epoch stand no more); nothing changed
    but the count of its refused writes. ``edge`` is what really happened: once an abort is requested,
    every release is the abort edge.
    """

    landed: bool
    edge: Edge | None = None
    message_state: MessageState | None = None
    epoch: int | None = None
    paused: bool = False
