"""A thread that repeats its duties until it is stopped: the common loop of all background threads.

An error of the database ends the round, and the loop retries. Any other error ends only the duty that raised it, and
is logged.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from lanes.base.sentences import sentence
from lanes_storage.clock import Clock, Now
from lanes_storage.errors import DatabaseReplaced, StorageError, StoreClosed
from lanes_storage.interface import AsyncStore, Reader, Step
from lanes_storage.logs import Log

log = Log("lanes.upkeep")

#: Seconds between two rounds while the database fails.
REFUSED_S = 0.25
#: Milliseconds between two log lines about the database, or about the same failure.
COMPLAIN_EVERY_MS = 5_000
#: How many different failures are distinguished for logging.
MOST_FAILURES = 16

#: How many seconds a thread waits for one of its writes before it continues without the result.
PATIENCE_S = 10.0
#: A loop is unhealthy if it has not ticked for this long; while it waits for a commit, the second limit applies.
UNHEALTHY_MS = 5_000
LONGEST_COMMIT_MS = 60_000

T = TypeVar("T")
Duty = Callable[[Now], object]


def every(ms: int, duty: Duty) -> Duty:
    """The duty, but at most once every ``ms`` milliseconds."""
    next_mono = 0

    def when_due(now: Now) -> None:
        nonlocal next_mono
        if now.mono >= next_mono:
            next_mono = now.mono + ms
            duty(now)

    return when_due


class WriteFunction(Protocol):
    """The write function of a duty: like ``AsyncStore.write_blocking``, with the timeout of its loop."""

    def __call__(self, step: Step[T], /) -> T: ...


class Pulse:
    """Whether a loop is alive. The loop calls ``tick``; any thread may ask.

    A loop that waits for a commit does not tick, but is not dead: it has a longer limit.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ticked_mono = clock().mono
        self._limit_ms = UNHEALTHY_MS

    def tick(self) -> None:
        """The loop has started another round."""
        self._ticked_mono = self._clock().mono

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A block in which the loop waits for a commit."""
        self.tick()
        self._limit_ms = LONGEST_COMMIT_MS
        try:
            yield
        finally:
            self.tick()
            self._limit_ms = UNHEALTHY_MS

    @property
    def waits(self) -> bool:
        """Whether it waits for a commit."""
        return self._limit_ms == LONGEST_COMMIT_MS

    @property
    def beats(self) -> bool:
        """Whether it has ticked lately."""
        return self._clock().mono - self._ticked_mono < self._limit_ms


class LoopPause:
    """The pause of a loop between two rounds: sleeps until it is woken."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def sleep(self, seconds: float) -> None:
        """Sleep, at most so long; less when woken."""
        self._woken.wait(seconds)

    def wake(self) -> None:
        """End the present sleep and all later ones. From any thread."""
        self._woken.set()

    def close(self) -> None:
        """Release its resources. From the thread that sleeps, after its last sleep."""


class Loop:
    """A thread that repeats the duties that its subclass names."""

    def __init__(self, name: str, store: AsyncStore, clock: Clock, pause: LoopPause | None = None) -> None:
        self.rounds = 0  # completed rounds: tests that move the clock wait for them
        self._name = name
        self._store = store
        self._clock = clock
        self._pause = pause or LoopPause()
        self._halted = threading.Event()
        self._logged: dict[str, int] = {}  # the failures that were logged, and when last
        self._thread = threading.Thread(target=self._run, name=f"lanes-{name}", daemon=True)

    def _duties(self, reader: Reader) -> Sequence[Duty]:
        """The duties of every round, in their order, for a new reader."""
        raise NotImplementedError

    def _pause_s(self) -> float:
        """How long to sleep before the next round."""
        raise NotImplementedError

    def _note_refusal(self) -> None:
        """Called after each round that a database error ended."""

    def _write(self, step: Step[T]) -> T:
        """Run a step in a transaction. Raises StorageError, TimeoutError."""
        try:
            return self._store.write_blocking(step, PATIENCE_S)
        except TimeoutError as error:
            raise TimeoutError(f"a write has not ended after {PATIENCE_S:g} s: the disk hangs, or is slow") from error

    def start(self) -> None:
        """Start; the first round begins at once."""
        self._thread.start()

    def halt(self) -> None:
        """Stop after the present duty. From any thread."""
        self._halted.set()
        self._pause.wake()

    def stop(self) -> None:
        """Stop after the present duty, and wait for that. Not from its own thread."""
        self.halt()
        if self._thread.ident is None:
            self._pause.close()
        else:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._halted.is_set():
                try:
                    with contextlib.closing(self._store.reader()) as reader:
                        self._work(self._duties(reader))
                except StoreClosed:
                    return
                except StorageError as error:
                    self._refused(error)
        except BaseException:
            log.critical("the %s died; its duties are no longer done", self._name)
            raise
        finally:
            self._pause.close()

    def _work(self, duties: Sequence[Duty]) -> None:
        """Do round after round until stopped. Raises StoreClosed."""
        while not self._halted.is_set():
            try:
                self._round(duties)
                self._pause.sleep(self._pause_s())
            except StoreClosed:
                raise
            except (StorageError, TimeoutError) as error:
                self._refused(error)

    def _round(self, duties: Sequence[Duty]) -> None:
        now = self._clock()
        for duty in duties:
            if self._halted.is_set():
                return
            try:
                duty(now)
            except (StorageError, TimeoutError):
                raise
            except Exception as error:
                if self._may_log(sentence(error)):
                    log.error("a duty of the %s failed; the others continue", self._name, exc_info=error)
        self.rounds += 1

    def _may_log(self, complaint: str) -> bool:
        """Whether to log a complaint: not if it was logged a moment ago, since it may come several times a second."""
        now, last = self._clock().mono, self._logged.get(complaint)
        if last is not None and now - last <= COMPLAIN_EVERY_MS:
            return False
        self._logged = dict(list(self._logged.items())[-MOST_FAILURES:]) | {complaint: now}
        return True

    def _refused(self, error: Exception) -> None:
        self._note_refusal()
        if not isinstance(error, DatabaseReplaced) and self._may_log("the database"):  # the upkeep logs that, once
            log.warning("the %s waits for the database: %s", self._name, error)
        self._halted.wait(REFUSED_S)  # not the usual pause, which would poll the database
