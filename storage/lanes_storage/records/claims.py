"""Records for claiming and releasing a lane."""

from typing import NamedTuple

from lanes_storage.law import Cause, Edge, LaneState, MessageState
from lanes_storage.records.runs import Terms, Ticket
from lanes_storage.records.stored import MessageRow


class Head(NamedTuple):
    """The head of a released lane that might be claimed, with the values on which a claim depends."""

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
    paused_before: bool = False  # its lane has an expired pause
    retries: int = 0
    fresh: bool | None = False  # its claim begins a new conversation
    tried: bool = False  # it was claimed before
    acts: bool | None = False  # its request has tools that the provider itself carries out
    bound_to: str | None = None


class OwnerOrders(NamedTuple):
    """What an owner has to act on.

    ``drain``: who drains it, since when and until when (wall time). ``aborts``: its runs whose abort was requested,
    with cause and grace in milliseconds. ``waits``: its runs that wait for a message of another lane. ``input``: its
    runs that may take a message, each with the newest one.
    """

    drain: tuple[str, int, int] | None
    aborts: list[tuple[Ticket, Cause, int]]
    waits: frozenset[int]
    input: dict[int, int]


class WaitingHead(NamedTuple):
    """The oldest waiting message of a lane. ``lane``: the key of the lane itself; ``key``: the one it is shown under,
    which for a child lane is that of its session. ``warned_at``: when its long wait was reported; None if it was
    not."""

    message_id: int
    key: str
    lane: str
    accepted_at: int
    parked_until: int | None
    retries: int
    warned_at: int | None


class WaitingLane(NamedTuple):
    """A free lane with its head, as the backlog of a dispatcher stores it. ``free_at``: the wall time until which a
    park or a pause blocks the lane; if it is in the past, nothing does."""

    lane_id: int
    message_id: int
    key: str
    runner: str | None
    bound_owner: int | None
    interruptions: int
    free_at: int


class News(NamedTuple):
    """What is new in the journal: the last event, whether an event concerns many lanes at once, and whether only a few
    heads wait."""

    last: int
    of_many: bool
    few: bool


class Old(NamedTuple):
    """A row that may be pruned. ``finished_at`` is None if it must be kept; ``key`` is None if it belongs to no
    lane."""

    id: int
    key: str | None
    finished_at: int | None
    made_at: int


class Claimed(NamedTuple):
    """A claim that took effect: the run, its fencing token and its message.

    ``members`` are the messages that it answers, in their order: several if they were collected. In that case
    ``message`` is the last of them, with all their texts.
    """

    ticket: Ticket
    message: MessageRow
    terms: Terms
    members: tuple[int, ...] = ()


class Release(NamedTuple):
    """What a release door did.

    ``applied`` is False if the lane was not released: the run had already lost it (then a write that was not forced is
    refused and counted), the run has changed since it was judged, or nobody had requested the abort. ``edge`` is the
    edge that was used: once an abort is requested, every release is the abort edge.
    """

    applied: bool
    edge: Edge | None = None
    message_state: MessageState | None = None
    epoch: int | None = None
    paused: bool = False
