"""Questions and steers of one live run.

Every answer and steer is stored first; the run then takes it by one write, which also ends its message
(``lanes_storage.doors.conversations``). Here the run only waits for the signal to look, which the upkeep gives
(``wake``) when any process has stored a message for the run, and when the limit of its question has passed.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any, NamedTuple, Protocol, TypeVar

from lanes.base.errors import NoAnswer
from lanes.text.spans import span
from lanes_storage import doors
from lanes_storage.clock import Clock, Now
from lanes_storage.doors.conversations import HAS_ANSWER, HAS_NONE
from lanes_storage.errors import DatabaseReplaced, StorageError, StoreClosed
from lanes_storage.interface import AsyncStore, Step
from lanes_storage.law import MAX_QUESTIONS
from lanes_storage.logs import Log
from lanes_storage.records import HandedText, NewQuestion, Ticket
from lanes_storage.threads import to_its_end

log = Log("lanes.run")
T = TypeVar("T")

#: Seconds between two attempts to store or to take something while the database fails.
RETRY_S = 0.5


class Asker(Protocol):
    """The run, as its input sees it."""

    @property
    def ticket(self) -> Ticket: ...
    @property
    def by(self) -> str: ...
    @property
    def named(self) -> str: ...
    @property
    def ends(self) -> bool:
        """It was told to stop, or has lost its lane."""
        ...

    @property
    def over(self) -> bool:
        """Its work has ended, or it has lost its lane: it is given nothing more."""
        ...

    def wait_for_input(self, limit_ms: int) -> bool:
        """Suspend its limits, for at most ``limit_ms``, and give back its slot. False: too many other runs wait."""
        ...

    def judge_again(self) -> None:
        """Have its limits judged again, because that of its question has begun."""
        ...

    def go_on(self, progress: str) -> None:
        """End the wait for input."""
        ...


class Slots(Protocol):
    """The live runs of the process, which share its slots."""

    def begin_input(self, run: Any, /) -> bool: ...
    def end_input(self, run: Any, /) -> None: ...
    def judge_again(self, run: Any, /) -> None: ...
    def note_stop(self, run: Any, /) -> None: ...
    def note_attempt(self, run: Any, /) -> None: ...


class _OpenQuestion(NamedTuple):
    """An open question: since when by the monotonic clock, and for how long at most."""

    since_mono: int
    limit_ms: int

    def waited_ms(self, now: Now) -> int:
        return max(0, min(now.mono - self.since_mono, self.limit_ms))


class RunInput:
    """For the event loop of the run; ``waited_ms`` and ``open`` may be read in any thread, and ``wake`` called."""

    def __init__(self, run: Asker, store: AsyncStore, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._store = store
        self._clock = clock
        self._loop = loop
        self._signal = asyncio.Event()
        self._turn = asyncio.Lock()
        self._questions = 0
        self._open: _OpenQuestion | None = None
        self._before_ms = 0  # the waits for earlier questions
        self._left_over: deque[HandedText] = deque()  # taken for callers who were cancelled meanwhile
        self._taking: set[asyncio.Task[Any]] = set()  # still being taken for such callers

    # -------------------------------------------------------------------------- for judges, in any thread

    def waited_ms(self, now: Now) -> int:
        """How long the run has waited for answers: this time counts against no limit."""
        before, question = self._before_ms, self._open
        return before if question is None else before + question.waited_ms(now)

    @property
    def limit_mono(self) -> int | None:
        """When the limit of its question passes; None: it asks nothing."""
        question = self._open
        return None if question is None else question.since_mono + question.limit_ms

    def wake(self) -> None:
        """Look for an answer or a steer, and at the limit of the question. From any thread."""
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        """Wake everything that waits now."""
        self._signal.set()
        self._signal = asyncio.Event()

    # --------------------------------------------------------------------------------------- for the run

    async def ask(self, text: str, limit_ms: int, options: tuple[str, ...], *, permission: bool) -> HandedText:
        """Ask the sender, and wait for the answer. A run asks one question at a time; further ones wait for their turn.
        The limit of a permission includes that wait: otherwise a run could hold its lane for the sum of many limits.

        Raises NoAnswer.
        """
        since = self._clock().mono
        async with self._turn:
            limit_ms -= self._clock().mono - since if permission else 0
            if limit_ms <= 0:
                raise NoAnswer(f"“{text}” waited for its turn until its time limit")
            self._questions += 1
            new = NewQuestion(f"{self._run.ticket.run_id}.{self._questions}", text, limit_ms, options, permission)
            if not self._run.wait_for_input(limit_ms):
                raise NoAnswer(f"{MAX_QUESTIONS} questions are open in this gateway, and there is no room for “{text}”")
            progress = HAS_NONE
            try:
                handed = await self._answer(new)
                progress = HAS_ANSWER
                return handed
            finally:
                self._run.go_on(progress)

    async def _answer(self, new: NewQuestion) -> HandedText:
        run, by = self._run.ticket, self._run.by
        stored = self._loop.create_task(self._written(lambda tx: doors.ask(tx, run, new, self._clock(), by=by)))
        try:
            if await asyncio.shield(stored) is None:
                raise NoAnswer(f"it is stopping, and can not ask “{new.text}” any more")
            self._open = question = _OpenQuestion(self._clock().mono, new.limit_ms)
            self._run.judge_again()
            while True:
                signal = self._signal
                if question.waited_ms(self._clock()) >= question.limit_ms:
                    return await self._last_look(new)
                handed = await self._take(lambda tx: doors.take_answer(tx, run, new.id, self._clock(), by=by))
                if handed is not None:
                    return handed
                if self._run.over:
                    raise NoAnswer(f"its run has ended, and nobody can answer “{new.text}” any more")
                await signal.wait()
        except asyncio.CancelledError:
            if not self._run.ends:  # the caller has given up, and the run goes on
                await to_its_end(self._withdraw(new, stored))
            raise
        finally:
            self._before_ms, self._open = self.waited_ms(self._clock()), None

    async def _withdraw(self, new: NewQuestion, stored: "asyncio.Task[Any]") -> None:
        await asyncio.wait({stored})
        await asyncio.wait({self._kept(self._close(new.id, "withdrawn"))})

    async def _last_look(self, new: NewQuestion) -> HandedText:
        handed = await self._take(self._close(new.id, "expired"))
        if handed is None:
            raise NoAnswer(f"nobody answered “{new.text}” within {span(new.limit_ms)}")
        return handed

    def _close(self, question: str, why: str) -> Step[HandedText | None]:
        run, by = self._run.ticket, self._run.by
        return lambda tx: doors.close_question(tx, run, question, self._clock(), by=by, reason=why)

    async def steer(self) -> HandedText:
        """The next text that is meant for the run. Raises NoAnswer once the run is over."""
        run, by = self._run.ticket, self._run.by
        while True:
            while self._taking:  # these texts come first
                await asyncio.wait(self._taking)
            if self._left_over:
                return self._left_over.popleft()
            signal = self._signal
            handed = await self._take(lambda tx: doors.take_steer(tx, run, self._clock(), by=by))
            if handed is not None:
                return handed
            if self._run.over:
                raise NoAnswer("its run has ended, and takes no more text")
            await signal.wait()

    async def left(self) -> list[HandedText]:
        """The texts that were taken for callers who were cancelled meanwhile."""
        while self._taking:
            await asyncio.wait(self._taking)
        left, self._left_over = list(self._left_over), deque()
        return left

    def keep(self, *texts: HandedText) -> None:
        """Keep texts that were taken for a caller who was cancelled meanwhile. From any thread."""
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._keep, *texts)

    # -------------------------------------------------------------------------------------------- writing

    async def _take(self, step: Step[HandedText | None]) -> HandedText | None:
        """Take an answer or a steer. If the caller is cancelled meanwhile, the text is kept for the next ``steer``,
        since its message has ended."""
        taking = self._loop.create_task(self._written(step))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._keep_from(taking)
            raise

    def _kept(self, step: Step[HandedText | None]) -> "asyncio.Task[HandedText | None]":
        taking = self._loop.create_task(self._written(step))
        self._keep_from(taking)
        return taking

    def _keep_from(self, taking: "asyncio.Task[HandedText | None]") -> None:
        def ended(_: object) -> None:
            self._taking.discard(taking)
            if not taking.cancelled() and taking.exception() is None and (handed := taking.result()) is not None:
                self._keep(handed)

        taking.add_done_callback(ended)
        self._taking.add(taking)

    def _keep(self, *texts: HandedText) -> None:
        self._left_over += texts
        self._look()

    async def _written(self, step: Step[T]) -> T:
        """Run a step in a transaction, and retry while the database fails. Raises DatabaseReplaced, StoreClosed."""
        while True:
            try:
                return await self._store.write(step)
            except (DatabaseReplaced, StoreClosed):
                raise
            except StorageError as error:
                log.warning("%s: its question or input could not be stored yet: %s", self._run.named, error)
            await asyncio.sleep(RETRY_S)
