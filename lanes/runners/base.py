"""The interface of a runner: its input and its result."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from lanes.base import arguments
from lanes.base.errors import NoAnswer, Unfit
from lanes.base.sentences import Tried
from lanes.records import Message
from lanes_storage.law import QUESTION_LIMIT_MS, RunnerKind
from lanes_storage.records import AttemptPhase, HandedText


class Delta(NamedTuple):
    """One piece of a reply on its way to its listeners.

    ``text`` is what a person reads. ``choice`` is the OpenAI chat ``delta`` object where the provider gave
    more than text (tool calls, a refusal); surfaces that speak that dialect pass it on. ``begin_again`` is never
    emitted by a runner: another run of the message has begun, and all pieces before are void.
    ``beside`` has the other fields of the chunk: ``model``, ``system_fingerprint`` and ``service_tier`` where they are
    new, and the ``logprobs`` of this piece. ``native`` is the event itself, where the provider speaks a dialect other
    than chat and the client speaks the same.
    """

    text: str = ""
    choice: dict[str, Any] | None = None
    begin_again: bool = False
    beside: dict[str, Any] | None = None
    native: dict[str, Any] | None = None


#: How long a question waits for its answer unless the run says otherwise, in seconds; and the answers to one that asks
#: for a permission.
QUESTION_LIMIT_S = QUESTION_LIMIT_MS / 1000
YES_OR_NO = ("yes", "no")

#: The piece that a listener gets when another run of the message begins: all pieces before are void.
BEGIN_AGAIN = Delta(begin_again=True)


def to_delta(piece: Delta | str) -> Delta:
    """Check a piece of a reply, so that every listener can pass it on. Raises Unfit."""
    if type(piece) is Delta and type(piece.text) is str and piece.choice is piece.beside is piece.native is None:
        return piece
    if isinstance(piece, str):
        return Delta(piece)
    if not isinstance(piece, Delta):
        raise Unfit(f"a piece of a reply must be a str or a Delta, not {type(piece).__name__}")
    arguments.text(piece.text, "Delta.text")
    for name, value in (("choice", piece.choice), ("native", piece.native), ("beside", piece.beside)):
        if value is not None:
            arguments.json_text(arguments.dict_or_none(value, f"Delta.{name}"), f"Delta.{name}")
    return piece


@dataclass(frozen=True, slots=True)
class Reply:
    """What a run produced.

    ``message`` is the whole OpenAI assistant message where there is more than text (tool calls);
    ``usage`` the OpenAI usage object; ``model`` and ``provider`` who answered; ``attempts`` the providers that failed
    before; ``more`` what an OpenAI client gets besides: ``system_fingerprint``, ``service_tier``, ``logprobs``.
    ``native`` is the whole answer in the provider's words, where client and provider speak the same dialect and it is
    not chat. ``cost_usd`` is what it cost, if that is known and the usage object does not say it.

    For the lane's conversation: ``turn`` are chat messages that came before the reply, such as calls of tools and their
    results; ``tokens`` is the size of the text and the answer for the model, if that is known; ``left_out`` how many
    turns were not sent because they were too long for the model.
    """

    text: str
    finish_reason: str = "stop"
    message: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    model: str | None = None
    attempts: Sequence[Tried] = ()
    provider: str | None = None
    more: dict[str, Any] | None = None
    native: dict[str, Any] | None = None
    turn: Sequence[dict[str, Any]] | None = None
    tokens: int | None = None
    left_out: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a lane's conversation: the text of a person, and the reply to it (empty: there was none).

    ``answer``: the chat messages of the answer, where it is more than a text. ``tokens``: as for ``Reply``. ``id``:
    later turns have larger ones.
    """

    text: str
    reply: str
    answer: Sequence[dict[str, Any]] = ()
    tokens: int | None = None
    id: int = 0


class Inbox:
    """The texts that people send to a run while it works, the oldest first: ``async for given in run.inbox()``.

    Each is taken once, when the run asks for it. What is not taken before the run ends waits in the lane. The loop ends
    with the run.
    """

    def __init__(
        self,
        take: Callable[[], Awaitable[HandedText]],
        left: Callable[[], Awaitable[list[HandedText]]] | None = None,
    ) -> None:
        self._take = take
        self._left = left

    async def get(self) -> HandedText:
        """The next text; waits until there is one. Raises NoAnswer once the run has ended."""
        return await self._take()

    async def left(self) -> list[HandedText]:
        """The texts that were taken for callers who were cancelled meanwhile; their messages have ended."""
        return [] if self._left is None else await self._left()

    def __aiter__(self) -> "Inbox":
        return self

    async def __anext__(self) -> HandedText:
        try:
            return await self._take()
        except NoAnswer:
            raise StopAsyncIteration from None


async def permitted(run: "RunContext", question: str, timeout: float) -> bool:
    """Ask for a permission. No answer counts as no."""
    try:
        return await run.ask(question, timeout=timeout, options=YES_OR_NO, permission=True) == YES_OR_NO[0]
    except NoAnswer:
        return False


class RunContext(Protocol):
    """The live run, as its runner sees it. Every method may be called from any thread."""

    @property
    def key(self) -> str:
        """The session key."""
        ...

    @property
    def id(self) -> int:
        """The run's id."""
        ...

    @property
    def epoch(self) -> int:
        """The fencing token: pass it to every system that must refuse a superseded run."""
        ...

    @property
    def message(self) -> Message:
        """The message that is being answered."""
        ...

    @property
    def text(self) -> str:
        """The text of the message; for a chat request, the text of its last user message."""
        ...

    @property
    def request(self) -> dict[str, Any] | None:
        """The chat request if the message is one, else None."""
        ...

    async def history(self, turns: int) -> list[Turn]:
        """The answered turns among the last ``turns`` turns of the lane's conversation, oldest first. A text without an
        answer is at the beginning of the next text."""
        ...

    async def conversation(self, turns: int = 20) -> list[dict[str, Any]]:
        """The last ``turns`` turns of the lane's conversation and the text, as chat messages that every provider takes:
        a text without an answer is part of the next message, empty replies are left out."""
        ...

    async def recall(self, turns: int, characters: int) -> list[Turn]:
        """The last turns of the lane's conversation, answered or not, oldest first, with at most so many characters."""
        ...

    async def tell_from(self, turn: int | None) -> None:
        """From now on, leave out the turns before this one (its id; None: before this run) from what models are
        sent."""
        ...

    async def ask(
        self, question: str, *, timeout: float = QUESTION_LIMIT_S, options: Sequence[str] = (), permission: bool = False
    ) -> str:
        """Ask the sender of the message, and return the answer: their next text in this lane, or that of an operator.

        Meanwhile the lane is held, no limit of the run passes, and the run uses no slot. ``options``: only these words
        are answers; the one that was chosen is returned. ``permission``: only an operator may answer, or the sender if
        the policy says so. Raises NoAnswer after ``timeout`` seconds, and where too many questions are open; Unfit.
        """
        ...

    async def permit(self, what: str, *, timeout: float = QUESTION_LIMIT_S) -> bool:
        """Ask for a permission: True only if it was given; False also if nobody answers. Raises Unfit."""
        ...

    def inbox(self) -> Inbox:
        """The texts that are sent to this run while it works (``lanes steer``, mode ``steer``)."""
        ...

    def progress(self, what: str) -> None:
        """Report progress (``model_call:started``, ``tool:started``): the stall clock starts again.

        Raises Unfit for anything but text.
        """
        ...

    def busy(self, seconds: float, what: str = "busy") -> None:
        """Announce that silence is expected for so many seconds: until then the run is not stalled.

        A finite number of seconds, 0 or more. Raises Unfit.
        """
        ...

    def spent(self, usage: dict[str, Any] | None, cost_usd: float | None = None) -> None:
        """Report what the run has used so far (the OpenAI usage object) and cost. It is kept if the run ends without a
        reply, and replaces what was reported before; a ``Reply`` has its own. Raises Unfit.
        """
        ...

    def attempt(self, phase: AttemptPhase | None) -> None:
        """Report which provider is asked now, and which limit ends the attempt; None: none is asked. ``lanes why``
        shows it.

        It does not count as progress, and ends nothing: the runner must enforce the limit itself. Raises Unfit.
        """
        ...

    def emit(self, *pieces: Delta | str) -> None:
        """Send pieces of the reply to its listeners. Counts as progress. Raises Unfit."""
        ...

    @property
    def reached_caller(self) -> bool:
        """Whether a listener has taken a piece of the reply: from then on there is no failover."""
        ...

    def discard(self) -> None:
        """Drop the pieces that no listener has taken, before another provider begins."""
        ...


class Runner(Protocol):
    """Does the work of one run: any ``async def runner(run) -> str | Reply``.

    It raises ``RunFailed`` or ``RunParked`` to end otherwise; any other exception ends the run with cause
    ``runner_failed``, and so does a reply that can not be stored. It must not swallow its cancellation: the lane of
    such a run is released without it.
    """

    def __call__(self, run: RunContext, /) -> Awaitable[str | Reply]: ...


class StopHow(NamedTuple):
    """How to stop a run: the grace for what it has started, which is killed when half of it has passed. 0: at once."""

    grace_ms: int


@dataclass(frozen=True, slots=True)
class RunnerSpec:
    """A runner with its name, kind and slots. Raises Unfit for a name, kind or number that no run can have.

    ``stop`` ends what a run has started outside of its task, such as processes. It is called from any thread, also
    while the event loop is blocked, and perhaps again with a shorter grace; it must return at once. The task of the run
    is cancelled separately.
    """

    name: str
    kind: RunnerKind
    run: Runner
    max_runs: int
    providers: tuple[str, ...] = ()  # asked in this order; a lane is claimable while one may be asked
    stop: Callable[[RunContext, StopHow], None] | None = None
    internal: bool = False  # no request may name it as its model

    def __post_init__(self) -> None:
        if not arguments.text(self.name, "the name of a runner", arguments.LONGEST_NAME):
            raise Unfit("a runner must have a name")
        if self.kind not in set(RunnerKind):
            raise Unfit(f"the kind of a runner must be one of {', '.join(RunnerKind)}")
        if not callable(self.run):
            raise Unfit(f"a runner must be an async function, not {type(self.run).__name__}")
        if type(self.max_runs) is not int or self.max_runs < 1:
            raise Unfit("max_runs must be a whole number, 1 or more")
