"""What goes into storage: plain frozen records.

Times are whole milliseconds: ``…_at`` is wall time (Unix), ``…_boot`` the boot clock of the process that wrote it,
``…_ms`` a duration. Ids are integers given by the database and rise with time.
"""

from typing import Any, NamedTuple, TypedDict

from lanes_storage.law import BoundTo, Cause, Mode, OnInterrupt, OnSurvivors, Overflow


class NewMessage(NamedTuple):
    """One piece of input to accept. Exactly one of ``text`` and ``request`` is given; a hold, which is bound to
    its waiter and whose work nobody else does, has neither.

    ``request`` is the JSON text of a chat request with a history of its own. ``runner`` names a runner
    (None: the policy decides). ``bound_owner`` is the owner whose end is this message's end as well.
    ``anonymous`` marks a lane made for one request, not listed once that has ended.
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


class Idempotency(NamedTuple):
    """A sender's own name for one message, scoped to lane and token."""

    key: str
    token: str  # the name of the token, never the token
    digest: str  # of the body: the same key with another body is refused


class Intake(TypedDict):
    """What the policy of a lane says of a message that meets a busy lane or a full queue."""

    cap: int
    mode: Mode
    overflow: Overflow


class Admission(NamedTuple):
    """The limits under which a message is accepted."""

    cap: int = 20  # waiting messages of one lane
    if_idle: bool = False  # refuse when the lane has an unfinished message
    mode: Mode = Mode.QUEUE
    overflow: Overflow = Overflow.REJECT
    waiter: "Waiter | None" = None  # who will wait for the message: refused where that closes a cycle


class Process(NamedTuple):
    """What tells one process from every other, also after its pid was given to another.

    ``start_time`` counts hundredths of a second: from boot on Linux (the kernel's ticks), elsewhere from the
    start of process 1. ``pid_ns`` is empty where the system has no pid namespaces.
    """

    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int


class Waiter(NamedTuple):
    """Who waits for a message: a run, and the process in which it does."""

    run_id: int
    process: Process


class NewOwner(NamedTuple):
    """A process that is about to hold or wait for lanes."""

    kind: str  # gateway | desk
    host: str
    boot_id: str
    pid_ns: str
    pid: int
    start_time: int  # of the process, in the kernel's ticks since boot: tells a reused pid
    fingerprint: str  # of the configuration
    heartbeat_interval_ms: int
    stale_after_ms: int
    runners: tuple[str, ...] = ()
    url: str | None = None


class Terms(NamedTuple):
    """The limits and policies that a run is claimed under. Judges use these, never their own."""

    run_timeout_ms: int | None
    stall_timeout_ms: int | None
    abort_grace_ms: int
    reconcile_interval_ms: int
    warn_held_after_ms: int
    max_park_ms: int
    on_interrupt: OnInterrupt
    on_survivors: OnSurvivors


class Ticket(NamedTuple):
    """What a run must show to write: its id and its epoch."""

    run_id: int
    epoch: int


class Beat(NamedTuple):
    """One live run as its owner's heartbeat names it."""

    ticket: Ticket
    progress: str
    progress_boot: int
    progress_at: int
    busy_until_boot: int | None = None
    reply_so_far: str | None = None  # its end; None: nothing yet
    progress_slept_ms: int | None = None  # ``Now.slept`` at the progress; None: nobody noted it
    body_ended_at: int | None = None  # when its work was done; its end is still to be stored
    attempt: "AttemptPhase | None" = None  # None: it asks no provider now


class AttemptPhase(NamedTuple):
    """The provider that a run asks now, and the limit that ends this attempt when the provider stays silent.

    ``next`` is who is asked then; None: nobody, and the run fails. ``rest_ms`` is how long it takes at most from then
    on until every other provider of the chain has failed as well. When the phase began is noted by the run.
    """

    provider: str
    limit: str  # the name of the limit: connect_timeout, first_byte_timeout, idle_timeout, or a runner's own
    limit_ms: int
    number: int = 1
    of: int = 1
    next: str | None = None
    rest_ms: int = 0
    at: int = 0
    boot: int = 0
    slept: int | None = None


class Attempt(NamedTuple):
    """One provider that was tried for a message."""

    provider: str
    cause: str  # an AttemptCause, or another word a provider gave
    message: str
    at: int
    status: int | None = None  # of HTTP, where it refused by one
    type: str | None = None  # what it called its error, and what of the request it blamed
    param: str | None = None
    code: str | None = None


class Failure(NamedTuple):
    """Why something ended otherwise than well. Of a limit that was passed: the limit, and how long it really took."""

    cause: Cause
    message: str
    attempts: tuple[Attempt, ...] = ()
    budget_ms: int | None = None
    elapsed_ms: int | None = None


class Answer(NamedTuple):
    """What a run produced. ``detail`` is JSON text for surfaces that show more than the text, ``told`` what the journal
    says of who answered."""

    text: str
    detail: str | None = None
    attempts: tuple[Attempt, ...] = ()
    told: dict[str, Any] | None = None
