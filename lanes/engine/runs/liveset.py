"""All live runs of a process, and the slots that they use."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable

from lanes.engine.runs.live import ActiveRun
from lanes.host.descriptors import Shortage
from lanes_storage.clock import Now
from lanes_storage.law import MAX_QUESTIONS


class LiveSet:
    """All live runs of this process, by run id. Safe from any thread."""

    def __init__(self) -> None:
        self._runs: dict[int, ActiveRun] = {}
        self._strays: dict[int, ActiveRun] = {}
        self._of_runner: Counter[str] = Counter()
        self._waiting_for_input: set[int] = set()  # runs that wait for input, which use no slots
        # Kept apart: to scan a thousand runs ten times a second would be most of the work of an idle gateway.
        self._stopping: dict[int, ActiveRun] = {}
        self._attempting: dict[int, ActiveRun] = {}  # whose attempts may not be in their rows yet
        self._without_process: dict[str, Shortage] = {}  # runners that could start no process
        self._followed: list[deque[int]] = []
        self._lock = threading.Lock()

    def join(self, run: ActiveRun) -> None:
        """Add a run whose claim is about to commit."""
        with self._lock:
            run.slots = self
            self._runs[run.id] = run
            self._of_runner[run.spec.name] += 1
            if run.stop is not None:
                self._stopping[run.id] = run
            for followed in self._followed:
                followed.append(run.id)

    def follow(self) -> deque[int]:
        """The ids of all live runs; the id of each new run is added. The reader removes them."""
        with self._lock:
            self._followed.append(deque(self._runs))
            return self._followed[-1]

    def leave(self, run: ActiveRun) -> None:
        """Remove a run whose lane is released, or whose claim did not commit."""
        with self._lock:
            if self._runs.get(run.id) is run:
                self._remove(run)
                self._give_back(run)

    def note_no_process(self, runner: str) -> None:
        """Note that a runner could start no process. Other runners may need none, or run as another user."""
        self._without_process.setdefault(runner, Shortage()).note(time.monotonic())

    def has_no_process(self, runner: str) -> bool:
        """Whether that was noted a moment ago."""
        noted = self._without_process.get(runner)
        return noted is not None and noted.lasts(time.monotonic())

    def stray(self, run: ActiveRun) -> None:
        """Record a run that has lost its lane but whose task continues: it keeps its slot until the task ends."""
        with self._lock:
            if self._runs.get(run.id) is run:
                self._remove(run)
                self._strays[run.id] = run

    def _remove(self, run: ActiveRun) -> None:
        del self._runs[run.id]
        self._stopping.pop(run.id, None)
        self._attempting.pop(run.id, None)

    def end_stray(self, run: ActiveRun) -> None:
        """The task of a stray run has ended. Does nothing for a run that was not a stray."""
        with self._lock:
            if self._strays.pop(run.id, None) is run:
                self._give_back(run)

    @property
    def strays(self) -> int:
        """How many tasks of runs without a lane continue."""
        return len(self._strays)

    def begin_input(self, run: ActiveRun) -> bool:
        """The run waits for input: it needs no slot. Returns False if too many others wait."""
        with self._lock:
            if len(self._waiting_for_input) >= MAX_QUESTIONS:
                return False
            self._give_back(run)
            self._waiting_for_input.add(run.id)
            return True

    def note_stop(self, run: ActiveRun) -> None:
        with self._lock:
            if self._runs.get(run.id) is run:
                self._stopping[run.id] = run

    def note_attempt(self, run: ActiveRun) -> None:
        """The run begins another phase of an attempt, or ends one."""
        self._attempting[run.id] = run

    def judge_again(self, run: ActiveRun) -> None:
        """The limits of a run have changed: followers check it again, like a new run."""
        with self._lock:
            for followed in self._followed:
                followed.append(run.id)

    def end_input(self, run: ActiveRun) -> None:
        """The run goes on, whether or not there is a free slot."""
        with self._lock:
            if run.id in self._waiting_for_input:
                self._waiting_for_input.remove(run.id)
                self._of_runner[run.spec.name] += 1

    def _give_back(self, run: ActiveRun) -> None:
        if run.id in self._waiting_for_input:  # it has no slot
            self._waiting_for_input.remove(run.id)
            return
        self._of_runner[run.spec.name] -= 1
        if not self._of_runner[run.spec.name]:
            del self._of_runner[run.spec.name]

    def get(self, run_id: int) -> ActiveRun | None:
        """One live run, or None."""
        with self._lock:
            return self._runs.get(run_id)

    def among(self, run_ids: Iterable[int]) -> list[ActiveRun]:
        """Those of these runs that are live."""
        with self._lock:
            return [run for run_id in run_ids if (run := self._runs.get(run_id)) is not None]

    def all(self) -> list[ActiveRun]:
        with self._lock:
            return list(self._runs.values())

    def holding(self) -> list[ActiveRun]:
        """Every live run whose release this process has not stored yet."""
        return [run for run in self.all() if not run.released]

    def stopping(self) -> list[ActiveRun]:
        """Every live run that was told to stop."""
        with self._lock:
            return [run for run in self._stopping.values() if self._runs.get(run.id) is run]

    def unseen(self, now: Now) -> list[ActiveRun]:
        """The live runs whose current attempt has lasted for a while and is not in their rows yet."""
        new = []
        for run in list(self._attempting.values()):
            self._attempting.pop(run.id, None)  # before it is read, so that no concurrent change is lost
            if run.shown or self._runs.get(run.id) is not run:
                continue
            self._attempting[run.id] = run
            if run.unseen(now) and not run.released:
                new.append(run)
        return new

    def of_runner(self, name: str) -> int:
        """How many run slots of a runner are in use."""
        return self._of_runner.get(name, 0)

    def __len__(self) -> int:
        return len(self._runs)
