"""Records of runs and owners: identities, terms, what a run reports, and the stored rows."""

from typing import Any

from lanes_storage.clock import Now
from lanes_storage.law import BoundTo, Cause, Edge, OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.tuples import NamedTuple


class ProcessIdentity(NamedTuple):
    """Identifies a process, even after its pid was reused.

    ``start_time`` counts hundredths of a second: from boot on Linux (the kernel's ticks), elsewhere from the
    start of process 1. ``pid_ns`` is empty where the system has no pid namespaces.
    """

    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int


class Terms(NamedTuple):
    """The limits and policies under which a run was claimed. Judges use these, not their own configuration."""

    run_timeout_ms: int | None
    stall_timeout_ms: int | None
    abort_grace_ms: int
    reconcile_interval_ms: int
    warn_held_after_ms: int
    max_park_ms: int
    on_interrupt: OnInterrupt
    on_survivors: OnSurvivors


class Ticket(NamedTuple):
    """What a run must present to write: its id and its epoch."""

    run_id: int
    epoch: int


class AttemptPhase(NamedTuple):
    """The provider that a run asks now, and the limit that ends this attempt if the provider stays silent.

    ``next`` is the provider that is asked afterwards; if it is None, the run fails. ``rest_ms`` is the longest time
    from then until every other provider of the chain has failed too. ``at``, ``boot`` and ``slept``, which the run
    fills in, tell when the phase began.
    """

    provider: str
    limit: str  # the name of the limit: connect_timeout, first_byte_timeout, idle_timeout, or one that a runner defines
    limit_ms: int
    number: int = 1
    of: int = 1
    next: str | None = None
    rest_ms: int = 0
    at: int = 0
    boot: int = 0
    slept: int | None = None


class ProviderAttempt(NamedTuple):
    """One provider that was asked for a message, and failed."""

    provider: str
    cause: str  # an AttemptCause, or another word a provider gave
    message: str
    at: int
    status: int | None = None  # the HTTP status, if it refused with one
    type: str | None = None  # the type of the provider's error, the parameter that it names, its code
    param: str | None = None
    code: str | None = None


class RunFailure(NamedTuple):
    """Why something failed. ``budget_ms`` and ``elapsed_ms``: for an exceeded limit, the limit and the time used."""

    cause: Cause
    message: str
    attempts: tuple[ProviderAttempt, ...] = ()
    budget_ms: int | None = None
    elapsed_ms: int | None = None


class RunUsage(NamedTuple):
    """What a run used, in tokens and millionths of a US dollar; a cost of None is not known."""

    input_tokens: int
    output_tokens: int
    cost_micros: int | None = None


class RunResult(NamedTuple):
    """What a run produced. ``detail`` is JSON text for clients that show more than the text; ``told`` is what the
    journal stores about the provider that answered.

    For the memory of the conversation: ``messages``, the answer as messages of the chat dialect (JSON array) if it is
    more than its text, and ``tokens``, the size of the turn (None: unknown)."""

    text: str
    detail: str | None = None
    attempts: tuple[ProviderAttempt, ...] = ()
    told: dict[str, Any] | None = None
    messages: str | None = None
    tokens: int | None = None
    usage: RunUsage | None = None


class RunQuestion(NamedTuple):
    """An open question as its run stores it.

    ``actor`` and ``sender`` are those of the message that started the run: who may answer by a message. ``answer`` is
    the message that answers the question, until the run has taken it.
    """

    id: str
    text: str
    limit_ms: int
    options: tuple[str, ...]
    permission: bool
    actor: str
    sender: str | None
    at: int
    boot: int
    slept: int
    answer: int | None = None

    def chosen(self, text: str) -> str | None:
        """The answer that a text gives: the option of that word or number, or, without options, the text itself. None
        if it is no answer."""
        answer = text.strip()
        if not self.options:
            return text if answer else None
        for number, option in enumerate(self.options, 1):
            if answer.casefold() in (option.casefold(), str(number)):
                return option
        return None

    def waited_ms(self, now: Now) -> int:
        """How long the run has waited for the answer, for a reader in the same boot: at most its limit."""
        return max(0, min(self.limit_ms, now.awake_since(self.boot, self.slept)))


class RunRow(NamedTuple):
    """One row of ``runs``, with the key of its lane. Its id is the epoch of its claim."""

    id: int
    lane_id: int
    key: str
    message_id: int
    owner_id: int
    runner: str
    kind: RunnerKind
    terms: Terms
    claimed_at: int
    claimed_boot: int
    claimed_slept_ms: int | None
    boot_id: str
    progress: str
    progress_at: int
    progress_boot: int
    progress_slept_ms: int | None
    busy_until_boot: int | None
    left_out: int
    process_host: str | None
    process_boot_id: str | None
    process_pid: int | None
    process_start_time: int | None
    process_group: int | None
    abort_at: int | None
    abort_boot: int | None
    abort_boot_id: str | None
    abort_grace_asked_ms: int | None
    abort_actor: str | None
    abort_reason: str | None
    abort_cause: Cause | None
    edge: Edge | None
    cause: Cause | None
    forced: bool
    ended_at: int | None
    ended_by: str | None
    refused_writes: int
    late_reply: str | None
    waiting: bool  # the run waits for a message of another lane, so it is not stalled
    abort_slept_ms: int | None = None
    # the runner's work has ended, but the release is not stored yet: no limit applies any more
    body_ended_at: int | None = None
    attempt: AttemptPhase | None = None  # the provider that it asks now
    question: RunQuestion | None = None  # what it asks its sender now
    input_ms: int = 0  # how long it waited for the answers to earlier questions

    @property
    def epoch(self) -> int:
        """The fencing token that this run was claimed under."""
        return self.id

    @property
    def ticket(self) -> Ticket:
        """The id and epoch that this run must present to write."""
        return Ticket(self.id, self.epoch)


class OwnerRow(NamedTuple):
    """One row of ``owners``."""

    id: int
    kind: str
    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int
    fingerprint: str
    heartbeat_interval_ms: int
    stale_after_ms: int
    runners: tuple[str, ...]
    url: str | None
    started_at: int
    heartbeat_at: int
    heartbeat_boot: int
    slept_ms: int | None
    heartbeats: int
    drain_by: str | None
    drain_at: int | None
    drain_until: int | None
    ended_at: int | None
    ended_cause: str | None
    held: int = 0


class WaitingMessage(NamedTuple):
    """A waiting message of a lane, with the fields that a claim and collecting need."""

    id: int
    text: str | None
    runner: str | None
    bound_to: BoundTo | None
    batch: int | None
    accepted_at: int
    interruptions: int = 0
    fresh: bool | None = False


class FreeHead(NamedTuple):
    """A head that a claim found unchanged: the message that will run, as it was before the claim, with its key.
    ``place``: the position of the command in its set."""

    place: int
    key: str
    id: int
    lane_id: int
    text: str | None
    request: str | None
    runner: str | None
    actor: str
    bound_to: str | None
    bound_owner: int | None
    interruptions: int
    parked_since: int | None
    retry_of: int | None
    accepted_at: int
    started_at: int | None
    attempts: str | None
