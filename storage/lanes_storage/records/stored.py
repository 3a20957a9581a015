"""Records of stored rows, one for each kind of row, and of summaries over rows."""

from typing import Any

from lanes_storage.law import BoundTo, MessageState, TurnState
from lanes_storage.records.runs import ProcessIdentity, ProviderAttempt, RunFailure
from lanes_storage.tuples import NamedTuple


class MessageRow(NamedTuple):
    """One row of ``messages``, with the key of its lane. The defaults are those of a newly accepted message."""

    id: int
    lane_id: int
    key: str
    state: MessageState
    text: str | None
    request: str | None
    runner: str | None
    actor: str
    bound_to: BoundTo | None = None
    bound_owner: int | None = None
    run_id: int | None = None
    reply: str | None = None
    reply_detail: str | None = None
    error: RunFailure | None = None
    interruptions: int = 0
    parked_until: int | None = None
    parked_since: int | None = None
    retry_of: int | None = None
    retried_as: int | None = None
    answered_by: int | None = None
    batch: int | None = None
    accepted_at: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    position: int | None = None  # 1 for the head; None unless queued
    reply_so_far: str | None = None  # its last part at the last heartbeat of the run, unless the run completed
    attempts: tuple[ProviderAttempt, ...] = ()  # the attempts that failed, even if another provider answered
    retries: int = 0  # how often the policy ``retry`` ran it again after a run that failed
    expires_at: int | None = None  # if it still waits at that wall time, it ends as expired


class TurnRow(NamedTuple):
    """One row of ``turns``: what a person said and what was answered (None: nothing was)."""

    id: int
    conversation: int
    message_id: int | None
    text: str
    reply: str | None
    answer: str | None  # JSON array of chat messages, if it was more than its text
    state: TurnState
    tokens: int | None
    at: int


class ConversationRow(NamedTuple):
    """One conversation of a lane: its number, how many turns are kept of it, and when it was first and last used."""

    number: int
    turns: int
    began_at: int
    last_at: int


class ConversationState(NamedTuple):
    """The current conversation of a lane: its number, and the first turn that may be sent to a model."""

    lane_id: int
    number: int
    told_from: int


class Wait(NamedTuple):
    """A run that waits, in a process, for an unfinished message of the lane ``key``."""

    run_id: int
    message_id: int
    key: str
    process: ProcessIdentity
    since: int


class EventRow(NamedTuple):
    """One row of the journal."""

    id: int
    at: int
    type: str
    key: str | None
    from_state: str | None
    to_state: str | None
    run_id: int | None
    message_id: int | None
    epoch: int | None
    actor: str | None
    cause: str | None
    detail: dict[str, Any] | None


class CooldownRow(NamedTuple):
    """A provider that is not asked until a stored time."""

    provider: str
    cause: str
    since: int
    until: int
    tries: int
    message: str | None = None


class UnprovenRun(NamedTuple):
    """A command run that was released by force: it is not proven yet whether it left processes behind.

    ``survivors``: the processes that were last seen; None if no process could check. ``started``: it had processes at
    all. ``keeper``: the process that leads them; None if an older lanes wrote the row.
    """

    id: int
    key: str
    abort_grace_ms: int
    survivors: tuple[str, ...] | None
    started: bool
    keeper: ProcessIdentity | None


class ClockNote(NamedTuple):
    """How far the wall clock was ahead of the boot clock, and in which boot; None: not noted yet."""

    ahead: int | None
    boot: int | None


class OwnerLoad(NamedTuple):
    """What an owner did recently, and how many of its runs are silent."""

    owner: int
    runs: int  # that have ended
    answers: int
    failures: int
    silent: int
    last_error: str | None  # the cause of the last failure


class LetterTallyRow(NamedTuple):
    """Counts over the dead letters that a filter chooses. ``oldest`` and ``newest`` are the ids of two of them."""

    letters: int = 0
    retried: int = 0
    kept: int = 0  # whose sender may still repeat the request with an idempotency key
    oldest: int | None = None
    newest: int | None = None


class SilentRun(NamedTuple):
    """A run that has been silent for at least half of the limit that acts first. ``limit`` is None if no limit ends
    it."""

    id: int
    key: str
    silent_ms: int
    limit_ms: int | None
    limit: str | None
    provider: str | None  # the provider whose limit it is; None if the limit ends the whole run


class DueIncident(NamedTuple):
    """An incident of which a notification is due: of its beginning if that was not sent, otherwise of its end."""

    id: int
    alert: str
    kind: str
    subject: str
    facts: str
    began_at: int
    ended_at: int | None
    begin_sent_at: int | None
    tries: int
