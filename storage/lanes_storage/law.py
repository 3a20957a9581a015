"""The rules of a lane, as data: states, edges, message states, policies and causes.

This is their single source: the schema's CHECK constraints, the guards of the statements, the engine, the
documentation (docs/states.md) and the tests use it. It imports no other module of lanes.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple, Self


class Word(StrEnum):
    """A value of a text column. Other versions and runners may have written a value that this version does not know."""

    @classmethod
    def read(cls, stored: object) -> Self:
        """The value of a row. An unknown value is kept as it is, so that it can be shown."""
        known = cls._value2member_map_.get(stored)
        if isinstance(known, cls):
            return known
        word = str.__str__(stored) if isinstance(stored, str) else str(stored)
        unknown = str.__new__(cls, word)
        unknown._name_ = unknown._value_ = word
        return unknown

    def __reduce_ex__(self, _: object) -> tuple[Any, ...]:
        return type(self).read, (self.value,)  # an unknown value, too, reaches another process


class LaneState(Word):
    """The four states of a lane. Only ``running`` holds it."""

    IDLE = "idle"
    RUNNING = "running"
    ERRORED = "errored"
    ABORTED = "aborted"


HELD = frozenset({LaneState.RUNNING})
RELEASED = frozenset(LaneState) - HELD
#: Released states that remember how the last run ended.
REMEMBERING = frozenset({LaneState.ERRORED, LaneState.ABORTED})


class MessageState(Word):
    """The states of a message. It reaches exactly one terminal state."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"
    DROPPED = "dropped"


UNFINISHED = frozenset({MessageState.QUEUED, MessageState.RUNNING})
TERMINAL = frozenset(MessageState) - UNFINISHED
#: What a person may retry.
RETRIABLE = frozenset({MessageState.FAILED, MessageState.ABORTED})

#: The allowed transitions of a message. A park, an interruption or the policy ``retry`` leads back to ``queued``. A
#: waiting message is ``done`` at once if the run of its lane takes it, as the answer to its question or as a steer.
MESSAGE_EDGES: dict[MessageState, frozenset[MessageState]] = {
    MessageState.QUEUED: frozenset(MessageState) - {MessageState.QUEUED},
    MessageState.RUNNING: TERMINAL - {MessageState.DROPPED} | {MessageState.QUEUED},
}


class TurnState(Word):
    """How a turn of a conversation ended. However it ended, the text of the person stays in the conversation."""

    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"
    RETRIED = "retried"  # a retry of its message has the same text


class Edge(Word):
    """The eight changes of a lane's state. Each has its door in ``lanes_storage.doors``; ``reclaim`` has two."""

    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    PARK = "park"
    EXPIRE = "expire"
    RECLAIM = "reclaim"
    ABORT = "abort"
    ACK = "ack"


class TransitionRule(NamedTuple):
    """One row of the transition table: an edge, the states that it may start from, the state it leads to, and who uses
    it."""

    edge: Edge
    sources: frozenset[LaneState]
    target: LaneState
    used_by: str


TRANSITIONS: dict[Edge, TransitionRule] = {
    t.edge: t
    for t in (
        TransitionRule(Edge.CLAIM, RELEASED, LaneState.RUNNING, "dispatcher"),
        TransitionRule(Edge.COMPLETE, HELD, LaneState.IDLE, "the run"),
        TransitionRule(Edge.FAIL, HELD, LaneState.ERRORED, "the run"),
        TransitionRule(Edge.PARK, HELD, LaneState.ERRORED, "the run"),
        TransitionRule(Edge.EXPIRE, HELD, LaneState.ERRORED, "the owner, later anyone"),
        TransitionRule(Edge.RECLAIM, HELD, LaneState.ERRORED, "the reconciler"),
        TransitionRule(Edge.ABORT, HELD, LaneState.ABORTED, "an operator, an API caller, a client that left"),
        TransitionRule(Edge.ACK, REMEMBERING, LaneState.IDLE, "an operator"),
    )
}

#: The edges that end a run.
RELEASES = frozenset(t.edge for t in TRANSITIONS.values() if t.sources == HELD)


class Cause(Word):
    """Why a run, a message or a lane ended as it did. An open set: runners may add causes (``is_cause``)."""

    PROVIDER_FAILED = "provider_failed"
    PROVIDER_COOLING = "provider_cooling"
    RUN_TIMEOUT = "run_timeout"
    STALL_TIMEOUT = "stall_timeout"
    RUNNER_FAILED = "runner_failed"
    BACKEND_LOST = "backend_lost"
    OWNER_GONE = "owner_gone"
    OWNER_SILENT = "owner_silent"
    GHOST = "ghost"
    DRAINED = "drained"
    POISON = "poison"
    ABORTED = "aborted"
    INTERRUPTED_BY_NEWER = "interrupted_by_newer"
    CLIENT_GONE = "client_gone"
    WAITER_GONE = "waiter_gone"
    WAIT_CYCLE = "wait_cycle"
    OVERFLOW = "overflow"
    EXPIRED = "expired"  # it waited longer than its `max_wait`
    OVER_BUDGET = "over_budget"
    NO_ANSWER = "no_answer"  # the run asked its sender, and nobody answered in time


#: The form of a cause that a runner defines.
_OWN_CAUSE = r"[a-z][a-z0-9_]{0,63}"


def is_cause(word: object) -> bool:
    """Whether a word names a cause: one of ``Cause``, or one of a runner (``[a-z][a-z0-9_]*``, at most 64
    characters)."""
    return isinstance(word, str) and re.fullmatch(_OWN_CAUSE, word) is not None


class EventType(StrEnum):
    """The types of events in the journal. A change of a lane's state has the name of its edge."""

    ACCEPTED = "accepted"
    CLAIM = Edge.CLAIM
    COMPLETE = Edge.COMPLETE
    FAIL = Edge.FAIL
    PARK = Edge.PARK
    EXPIRE = Edge.EXPIRE
    RECLAIM = Edge.RECLAIM
    ABORT = Edge.ABORT
    ACK = Edge.ACK
    ABORT_REQUESTED = "abort_requested"
    POSTPONED = "postponed"  # a head waits for a cooling provider, unclaimed
    ENDED = "ended"  # a waiting message ended without a run
    NOTICE = "notice"  # a message did not end ``done``: tells people why, and what to do next
    RETRIED = "retried"
    PAUSED = "paused"
    RESUMED = "resumed"
    RECOVERED = "recovered"  # an interrupted message runs again, and the first heartbeat has named its new run
    REFUSED_WRITE = "refused_write"  # a superseded run wrote; the payload is kept
    HELD_LONG = "held_long"  # `warn_held_after` passed
    WAIT_EXCEEDED = "wait_exceeded"  # `warn_wait_after` passed
    OWNER_STARTED = "owner_started"
    OWNER_ENDED = "owner_ended"
    DRAIN = "drain"
    COOLDOWN = "cooldown"
    PRUNED = "pruned"  # dead letters, pruned by a person; rows pruned by age have no event
    PROVIDER_FAILING = "provider_failing"  # a provider fails and the next of its chain is asked; one event per period
    PROVIDER_ANSWERS = "provider_answers"  # the provider answers again
    MOVED = "moved"  # a person moved a waiting message
    RECALLED = "recalled"  # a message that let others pass while its retry waited is the head of its lane again
    CONVERSATION = "conversation"  # a new conversation began in a lane
    ASKED = "asked"  # a run asks its sender, and waits
    ANSWERED = "answered"  # a run has taken the answer to its question
    UNANSWERED = "unanswered"  # a run no longer waits for an answer, and got none
    STEERED = "steered"  # a run has taken a steer
    SOURCE = "source"  # a gateway of another program can be watched, or can no longer be
    WATCHED_SILENT = "watched_silent"  # a watched lane is held, and shows no sign of life
    FREED = "freed"  # somebody freed a watched lane, or tried to
    COOLDOWN_ENDED = "cooldown_ended"  # by a person, or because the key or address of the provider has changed


#: The fingerprint of an owner that runs nothing but the simulated provider.
SIMULATED = "simulated"
#: Causes of an interruption: the owner died, fell silent or drained. Only for these does ``on_interrupt`` apply.
INTERRUPTIONS = frozenset({Cause.OWNER_GONE, Cause.OWNER_SILENT, Cause.DRAINED})
#: The interruptions that count towards ``max_interruptions``; a drain never does, nor any end of a draining owner.
COUNTED_INTERRUPTIONS = INTERRUPTIONS - {Cause.DRAINED}


class AttemptCause(StrEnum):
    """Why one provider attempt failed."""

    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    CUT = "cut"
    GARBAGE = "garbage"
    SERVER_ERROR = "server_error"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    BAD_REQUEST = "bad_request"
    CONTEXT_OVERFLOW = "context_overflow"


#: Causes that may no longer apply when the message runs again: the default ``causes`` of the policy ``retry``.
PASSING = frozenset(
    {Cause.PROVIDER_COOLING, Cause.BACKEND_LOST, Cause.STALL_TIMEOUT}
    | (
        set(AttemptCause)
        - {AttemptCause.QUOTA, AttemptCause.AUTH, AttemptCause.BAD_REQUEST, AttemptCause.CONTEXT_OVERFLOW}
    )
)


class OnInterrupt(Word):
    """What happens to the message of an interrupted run."""

    REQUEUE = "requeue"
    FAIL = "fail"
    PAUSE = "pause"


class OnSurvivors(Word):
    """Whether a lane may start its next run while processes of its last run may still live."""

    PAUSE = "pause"
    START = "start"


class PauseKind(Word):
    """Who or what paused a lane, which decides how the pause ends. A lane may have one pause of each kind at a time."""

    HAND = "hand"  # a person
    INTERRUPTED = "interrupted"  # the policy `on_interrupt`, for a person to look
    SURVIVORS = "survivors"  # processes of its last run may live: ends automatically when none is left
    BUDGET = "budget"  # a usage limit is reached
    LOOP = "loop"  # runs send each other messages without end, or too many messages came
    RESTORED = "restored"  # the database came from a copy, and the lane had unfinished messages


#: The default reason of a pause, and the reason of an abort by a newer message (mode ``interrupt``).
PAUSED_BY_HAND = "paused by hand"
REPLACED = "a newer message came"


class RunnerKind(Word):
    """The kinds of runners."""

    PROVIDER = "provider"
    COMMAND = "command"
    PYTHON = "python"
    ACP = "acp"  # a program that speaks the Agent Client Protocol


class BoundTo(Word):
    """What a message is bound to. When that is gone, the message ends as ``aborted`` and does not run."""

    CLIENT = "client"  # a /v1 connection: cause client_gone
    WAITER = "waiter"  # a waiting hold: cause waiter_gone

    @property
    def end_cause(self) -> Cause:
        """The cause of the message's end when the thing that it is bound to is gone."""
        return Cause.CLIENT_GONE if self is BoundTo.CLIENT else Cause.WAITER_GONE


class Mode(StrEnum):
    """What happens to a message when its lane is busy."""

    QUEUE = "queue"  # each message gets a separate run
    COLLECT = "collect"  # texts that wait together are answered together
    INTERRUPT = "interrupt"  # the newest ends what runs and what waits
    REJECT = "reject"  # a lane with an unfinished message refuses
    STEER = "steer"  # texts are for the run that is active, if it takes them; else they wait


class PermittedBy(StrEnum):
    """Who may answer when a run asks for a permission."""

    OPERATOR = "operator"  # only an operator: `lanes answer`, or the API
    SENDER = "sender"  # also the sender of the message that started the run, by a message


class Overflow(StrEnum):
    """What happens to a message when the queue is full."""

    REJECT = "reject"
    DROP_OLDEST = "drop-oldest"


class Scope(StrEnum):
    """What an abort ends."""

    RUN = "run"
    QUEUE = "queue"
    BOTH = "both"


class Prunable(StrEnum):
    """What retention deletes once it is finished and old enough, in this order; dead letters only by a person."""

    ANONYMOUS = "anonymous"  # lanes made for one request, with all their rows
    MESSAGES = "messages"
    RUNS = "runs"  # once their message is deleted
    TURNS = "turns"  # of conversations
    EVENTS = "events"  # once their message and their run are deleted
    LANES = "lanes"  # idle, with nothing left
    OWNERS = "owners"  # ended; the newest one of each configuration stays
    DEAD_LETTERS = "dead_letters"


class WatchedState(Word):
    """The state of a session of another program's gateway."""

    IDLE = "idle"
    RUNNING = "running"
    GHOST = "ghost"  # events show a run that its gateway does not count
    STALE = "stale"  # its row in the gateway says `running`, but nothing runs


#: The states of a watched session in which something holds it.
HELD_THERE = frozenset({WatchedState.RUNNING, WatchedState.GHOST})


class SourceState(Word):
    """Whether another program's gateway can be watched."""

    CONNECTED = "connected"
    UNREACHABLE = "unreachable"  # nothing listens, or it closed the connection
    HUNG = "hung"  # it accepts connections but does not answer
    REFUSED = "refused"  # it does not accept the credentials: token, pairing, scope
    FOREIGN = "foreign"  # another program answers, or an unknown version


#: After this many interruptions a message is poison; with one fewer it is a suspect.
MAX_INTERRUPTIONS = 3
#: After this many interruptions of any kind, drains included, a message is a dead letter. Without this limit, a message
#: that takes longer than its gateways live would run again forever, and nobody would notice.
MAX_CUTS = 20
#: The most suspects that run at the same time in one database.
MAX_SUSPECTS = 8
#: A run is a ghost after this many heartbeats that leave it out.
GHOST_AFTER = 2
#: The longest chain of messages each of which was sent by the run of the one before. A longer one pauses its lane.
MAX_CHAIN = 20
#: How long a question waits for its answer unless the run says otherwise; there is no question without a limit.
QUESTION_LIMIT_MS = 600_000
#: The most questions that are open in one gateway at the same time.
MAX_QUESTIONS = 200
#: The most texts that one run may answer together.
MAX_BATCH = 100
#: Added to the id of a message that lets others pass while its retry waits: its rank is behind all of them.
ASIDE = 1 << 53
#: The usage of a budget that a lane does not share is counted under this name, followed by the id of the lane.
BUDGET_OF_LANE = "lane "
#: The longest session key, in characters.
MAX_KEY = 512
#: How many turns can be imported between the turns of two consecutive messages.
TURNS_OF_A_MESSAGE = 1 << 20


def together(texts: Iterable[str]) -> str:
    """One text made of the texts that are answered together."""
    return "\n\n".join(texts)


def turn_of(message: int) -> int:
    """The id of the turn of a message. Ids are in the order of messages, with room for imported turns in between."""
    return message * TURNS_OF_A_MESSAGE
