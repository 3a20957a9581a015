"""A pytest plugin that, instead of running the tests once, takes away one guard at a time and runs those that can
miss it, until one fails.

Each trial is a fork of a process that has collected the tests and run none, so that it costs only what its tests cost.
"""

import json
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.mutation.ear import Ear
from tests.mutation.guards import SERVE_AN_INDEX, Guard

#: What one test may take. Without its guard something may wait for ever, and that is noticed as well.
PATIENCE_S = 120
#: Asks how statements find their rows, not what they do.
PLANS = "tests/storage/test_plans.py"
EVERYTHING_IN_PLACE = -1


class Campaign:
    """Tries guards, ``at_a_time`` of them at once. ``missed_by_none``: the guards that no test misses, or that
    are not what they are marked as."""

    def __init__(self, guards: Sequence[Guard], folder: Path, say: Callable[[str], None], at_a_time: int) -> None:
        self._guards = guards
        self._folder = folder
        self._say = say
        self._at_a_time = at_a_time
        self._trying = EVERYTHING_IN_PLACE  # in a process of its own
        self.missed_by_none: list[Guard] = []
        self.serve_an_index = 0
        self.complete = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Every trial; pytest itself runs nothing."""
        items = {item.nodeid: item for item in session.items}
        self._say(f"{len(self._guards)} guards; first {len(items)} tests with every guard in its place")
        notes = self._folder / "heard.json"
        self._fork(EVERYTHING_IN_PLACE, lambda: self._listen(session, notes))
        self._wait()
        failed = self._noticed_by(EVERYTHING_IN_PLACE)
        if failed is not None:
            self._say(f"with every guard in its place this fails: {failed}")
            return True
        heard: dict[str, list[str]] = json.loads(notes.read_text())
        waiting = list(range(len(self._guards)))[::-1]
        running = tried = 0
        while waiting or running:
            if waiting and running < self._at_a_time:
                number = waiting.pop()
                chosen = [items[test] for test in likely_first(self._guards[number], heard)]
                self._fork(number, lambda number=number, chosen=chosen: self._trial(session, number, chosen))  # type: ignore[misc]
                running += 1
            else:
                self._report(self._wait(), tried := tried + 1)
                running -= 1
        self.complete = True
        return True

    def _report(self, number: int, tried: int) -> None:
        guard, test = self._guards[number], self._noticed_by(number)
        reason = SERVE_AN_INDEX.get(guard.name)
        by_its_plan = test is not None and test.startswith(PLANS)
        if reason is not None and by_its_plan:
            self.serve_an_index += 1
            verdict = f"serves an index: {reason}\n    {test}"
        elif test is None or by_its_plan or reason is not None:
            self.missed_by_none.append(guard)
            but = (
                "IT IS MARKED AS SERVING AN INDEX, BUT MISSED BY"
                if reason
                else "NO TEST BUT THAT OF ITS PLAN MISSES IT"
            )
            verdict = "NO TEST MISSES IT" if test is None else f"{but}: {test}"
        else:
            verdict = test
        self._say(f"{tried}/{len(self._guards)} {guard.name}\n    {verdict}")

    # ------------------------------------------------------------------------------- in a process of its own

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note why a test failed, for whoever doubts that it did so for want of the guard."""
        if report.failed:
            why = getattr(getattr(report.longrepr, "reprcrash", None), "message", report.when)
            first = str(why).partition("\n")[0][:120]
            self._of(self._trying, "test").write_text(f"{report.nodeid}\n    {first}")

    def _listen(self, session: pytest.Session, notes: Path) -> bool:
        ear = Ear()
        heard: dict[str, list[str]] = {}

        def note(item: pytest.Item) -> None:
            heard[item.nodeid] = sorted(ear.heard)
            ear.heard.clear()

        passed = self._all_pass(session, EVERYTHING_IN_PLACE, session.items, note)
        notes.write_text(json.dumps(heard))
        return passed

    def _trial(self, session: pytest.Session, number: int, items: Sequence[pytest.Item]) -> bool:
        Ear().take_away(self._guards[number])
        return self._all_pass(session, number, items, lambda _: None)

    def _all_pass(
        self, session: pytest.Session, number: int, items: Sequence[pytest.Item], done: Callable[[pytest.Item], None]
    ) -> bool:
        self._trying = number
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(self._of(number, "files"))
        for item, following in zip(items, [*items[1:], None], strict=False):
            self._of(number, "test").write_text(item.nodeid)
            signal.alarm(PATIENCE_S)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            done(item)
            if session.testsfailed:
                return False
        self._of(number, "test").unlink(missing_ok=True)
        return True

    # --------------------------------------------------------------------------------------------- processes

    def _fork(self, number: int, trial: Callable[[], bool]) -> None:
        self._of(number, "files").mkdir()
        pid = os.fork()
        if pid:
            self._of(number, "pid").write_text(str(pid))
            return
        try:
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            with suppress(BaseException):
                trial()
        finally:
            os._exit(0)

    def _wait(self) -> int:
        """Wait for a trial to end; returns its number."""
        pid = os.wait()[0]
        (number,) = [int(note.stem) for note in self._folder.glob("*.pid") if note.read_text() == str(pid)]
        self._of(number, "pid").unlink()
        return number

    def _noticed_by(self, number: int) -> str | None:
        """The test in which a trial ended early: it failed, or never came to its end."""
        note = self._of(number, "test")
        return note.read_text() if note.exists() else None

    def _of(self, number: int, what: str) -> Path:
        return self._folder / f"{number}.{what}"


def likely_first(guard: Guard, heard: dict[str, list[str]]) -> Iterable[str]:
    """The tests that run what a guard is in, those that run little else first; what only plans it comes last."""
    touching = [test for test, names in heard.items() if guard.subject in names]
    return sorted(touching, key=lambda test: (test.startswith(PLANS), len(heard[test])))
