"""The records that storage takes as arguments: plain and frozen."""

from collections.abc import Mapping
from typing import Any

from lanes_storage.law import BoundTo, Mode, Overflow, PermittedBy
from lanes_storage.records.runs import AttemptPhase, ProcessIdentity, RunFailure, Ticket
from lanes_storage.tuples import NamedTuple

#: A doubling backoff does not grow beyond this.
LONGEST_BACKOFF_MS = 600_000


class NewMessage(NamedTuple):
    """One message to accept. Exactly one of ``text`` and ``request`` is given; a hold has neither, because the waiter
    that it is bound to does the work.

    ``request`` is the JSON text of a chat request that contains its history; ``acts``: it has tools that the provider
    itself carries out. ``runner`` names a runner (None: the policy decides). When the owner ``bound_owner`` ends, this
    message ends too. ``anonymous`` marks a lane made for one request, which is not listed after the request has ended.
    ``source`` is the program that it came from. ``once``: a failure makes it no dead letter, since nothing could send
    it again. ``from_run``: the run that sends it; ``depth``: how many messages precede it in its chain, if known.
    """

    key: str
    text: str | None = None
    request: str | None = None
    runner: str | None = None
    actor: str = "unknown"
    bound_to: BoundTo | None = None
    bound_owner: int | None = None
    anonymous: bool = False
    idempotency: "Idempotency | None" = None
    source: str | None = None
    once: bool = False
    from_run: int | None = None
    depth: int | None = None
    fresh: bool = False  # its first run begins a new conversation
    sender: str | None = None  # the person who wrote it, as the program that sent it names them
    acts: bool = False


#: The only key of what is stored instead of a request that is passed on: facts such as its size, without its content.
OUTLINE = "lanes_outline"


def is_outline(request: Mapping[str, Any] | None) -> bool:
    """Whether only the outline of a request was stored."""
    return request is not None and OUTLINE in request


class Idempotency(NamedTuple):
    """An idempotency key: the sender's name for one message, unique per lane and token."""

    key: str
    token: str  # the name of the token, never the token
    digest: str  # of the body: a repeated key with another body is refused


class Admission(NamedTuple):
    """The limits under which a message is accepted."""

    cap: int = 20  # waiting messages of one lane
    if_idle: bool = False  # refuse when the lane has an unfinished message
    mode: Mode = Mode.QUEUE
    overflow: Overflow = Overflow.REJECT
    waiter: "Waiter | None" = None  # who will wait for the message: refused if that closes a cycle of waits
    max_wait_ms: int | None = None  # how long it may wait; None: without a limit
    max_per_minute: int | None = None  # with more messages than that the lane is paused
    permissions: PermittedBy = PermittedBy.OPERATOR  # who may answer when the run asks for a permission
    answered: bool = True  # the message may be the answer to an open question
    known: bool = False  # refuse if there is no such lane
    concurrency: int = 1  # how many requests of the session may run at once, each on a child lane
    answers: str | None = None  # only as the answer to the open question with this id; empty: to any open question


class Waiter(NamedTuple):
    """Who waits for a message: a run, and the process in which it does."""

    run_id: int
    process: ProcessIdentity


class NewOwner(NamedTuple):
    """A process that will hold lanes or wait for them."""

    kind: str  # gateway | desk
    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int  # of the process, in the kernel's ticks since boot: detects a reused pid
    fingerprint: str  # of the configuration
    heartbeat_interval_ms: int
    stale_after_ms: int
    runners: tuple[str, ...] = ()
    url: str | None = None


class RetryTerms(NamedTuple):
    """When a message whose run failed runs again: up to ``attempts`` runs, the first one included, for these causes, if
    the next run begins within ``max_age_ms`` after the message was accepted.

    ``hold``: the messages behind it wait for it; otherwise it lets them pass.
    """

    attempts: int
    backoff_ms: int
    causes: frozenset[str]
    max_age_ms: int
    hold: bool = True

    def covers(self, failure: "RunFailure") -> bool:
        """Whether the failure, or one of the attempts at a provider in it, has one of the causes."""
        return not self.causes.isdisjoint((failure.cause, *(attempt.cause for attempt in failure.attempts)))

    def wait_ms(self, retries: int, message: int) -> int:
        """How long to wait before the next run: twice as long after each, and up to a quarter longer, so that messages
        that failed together do not return together."""
        wait = min(self.backoff_ms << min(retries, 20), max(self.backoff_ms, LONGEST_BACKOFF_MS))
        return wait + wait * (message * 2_654_435_761 % 1_000) // 4_000


class BudgetTerms(NamedTuple):
    """What lanes may use within ``per_ms``; None: without a limit. All lanes of the same ``name`` share the budget; if
    the name is empty, each lane, or session with child lanes, has a separate one.

    ``reject``: once it is used up, messages end as ``over_budget``; otherwise their lane is paused.
    """

    name: str
    per_ms: int
    runs: int | None
    tokens: int | None
    cost_micros: int | None
    reject: bool = False

    @property
    def bucket_ms(self) -> int:
        """The length of a bucket, in which usage is counted: a sixtieth of the window."""
        return max(1, self.per_ms // 60)


class Spent(NamedTuple):
    """What was used of a budget. ``until``: when (wall time) the oldest bucket no longer counts."""

    runs: int = 0
    tokens: int = 0
    cost_micros: int = 0
    until: int | None = None

    def exhausts(self, budget: BudgetTerms) -> bool:
        """Whether a limit of the budget is reached."""
        pairs = ((self.runs, budget.runs), (self.tokens, budget.tokens), (self.cost_micros, budget.cost_micros))
        return any(limit is not None and used >= limit for used, limit in pairs)


class Beat(NamedTuple):
    """One live run, as the heartbeat of its owner reports it."""

    ticket: Ticket
    progress: str
    progress_boot: int
    progress_at: int
    busy_until_boot: int | None = None
    reply_so_far: str | None = None  # the last part of the reply; None: nothing yet
    progress_slept_ms: int | None = None  # ``Now.slept`` at the progress; None: unknown
    body_ended_at: int | None = None  # when the runner's work ended, if the release is not stored yet
    attempt: "AttemptPhase | None" = None  # None: it asks no provider now


class NewQuestion(NamedTuple):
    """What a run asks its sender. ``options``: the words that are answers; without any, every text is one.

    ``permission``: only an operator may answer, unless the policy of the lane lets the sender do so too.
    """

    id: str
    text: str
    limit_ms: int
    options: tuple[str, ...] = ()
    permission: bool = False


class HandedText(NamedTuple):
    """A text that a run has taken: the answer to its question, or a steer. ``message_id`` is that of its message."""

    message_id: int
    text: str
    actor: str
    sender: str | None = None


class SeenIncident(NamedTuple):
    """A condition that an alert reports, as it is seen now. ``subject`` is empty for several subjects together."""

    alert: str
    kind: str
    subject: str
    facts: dict[str, Any]
