"""The loop of every thread beside the event loop: it outlives what goes wrong, says so, and stops at once."""

import logging
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from lanes.engine.background.loop import COMPLAIN_EVERY_MS, Duty, Loop, every
from lanes.testing import Hands
from lanes_storage import AsyncStore, doors
from lanes_storage.clock import Now
from lanes_storage.errors import DatabaseFull, DatabaseUnavailable
from lanes_storage.interface import Reader
from tests.kit.databases import new_async_store
from tests.kit.until import until


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[AsyncStore]:
    made = await new_async_store(tmp_path / "lanes.db")
    yield made
    await made.close()


class Worker:
    """A duty that misbehaves as it is told, and counts its calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0

    def __call__(self, _: Now) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


class Rounds(Loop):
    """A loop of these duties."""

    def __init__(self, store: AsyncStore, time: Hands, *duties: Duty, pause_s: float = 0.005) -> None:
        super().__init__("test", store, time)
        self._all, self._sleep_s = duties, pause_s

    def _duties(self, reader: Reader) -> Sequence[Duty]:
        return self._all

    def _pause_s(self) -> float:
        return self._sleep_s


def loop_of(store: AsyncStore, time: Hands, *duties: Duty) -> Loop:
    return Rounds(store, time, *duties)


def lines(caplog: pytest.LogCaptureFixture, word: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if word in record.message]


async def test_a_duty_that_fails_does_not_keep_the_others_from_being_done(
    store: AsyncStore, caplog: pytest.LogCaptureFixture
) -> None:
    broken, after = Worker(ValueError("a bug")), Worker()
    loop = loop_of(store, Hands(), broken, after)
    loop.start()
    await until(lambda: after.calls >= 3, "the duty behind it")
    loop.stop()
    assert broken.calls >= 3
    assert lines(caplog, "a duty of the test failed")[0].exc_info is not None


@pytest.mark.parametrize("error", [DatabaseFull("lanes.db"), TimeoutError()], ids=["full", "late"])
async def test_a_database_that_refuses_is_waited_for_with_few_words(
    store: AsyncStore, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    refused, behind, time = Worker(error), Worker(), Hands()
    loop = loop_of(store, time, refused, behind)
    loop.start()
    await until(lambda: refused.calls >= 3, "another round")
    assert behind.calls == 0, "what is behind would be refused as well"
    assert len(lines(caplog, "waits for the database")) == 1
    time.move(COMPLAIN_EVERY_MS + 1)
    await until(lambda: len(lines(caplog, "waits for the database")) == 2, "another word")
    refused.error = None
    await until(lambda: behind.calls, "the database to take writes again")
    loop.stop()


async def test_F1091_a_disk_that_hangs_is_said_in_words(
    store: AsyncStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line ended behind its colon."""
    monkeypatch.setattr("lanes.engine.background.loop.PATIENCE_S", 0.01)
    hangs, again = threading.Event(), Worker()

    def write(_: Now) -> None:
        again.calls += 1
        loop._write(lambda _: hangs.wait())

    loop = Rounds(store, Hands(), write)
    loop.start()
    await until(lambda: again.calls >= 2, "another round")
    hangs.set()
    loop.stop()
    (line,) = lines(caplog, "waits for the database")
    assert line.message.endswith("a write has not ended after 0.01 s: the disk hangs, or is slow")


async def test_a_reader_that_can_not_be_opened_is_tried_again(store: AsyncStore) -> None:
    class Reluctant:
        def __init__(self) -> None:
            self.tries = 0

        def reader(self) -> Reader:
            self.tries += 1
            if self.tries < 3:
                raise DatabaseUnavailable("lanes.db", "too many open files")
            return store.reader()

    reluctant, done = Reluctant(), Worker()
    loop = loop_of(reluctant, Hands(), done)  # type: ignore[arg-type]
    loop.start()
    await until(lambda: done.calls, "the loop to begin")
    loop.stop()
    assert reluctant.tries == 3


async def test_stopping_wakes_it_and_returns_when_the_thread_is_gone(store: AsyncStore) -> None:
    done = Worker()
    loop = Rounds(store, Hands(), done, pause_s=3600.0)
    loop.start()
    await until(lambda: loop.rounds == 1, "the first round")
    loop.stop()
    loop.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "lanes-test"]
    assert done.calls == 1


async def test_a_loop_that_never_began_stops_too(store: AsyncStore) -> None:
    loop_of(store, Hands()).stop()


async def test_a_store_that_is_closed_under_it_ends_it(store: AsyncStore) -> None:
    loop = loop_of(store, Hands(), lambda _: store.write_blocking(doors.touch))
    loop.start()
    await until(lambda: loop.rounds > 2, "some rounds")
    await store.close()
    await until(lambda: "lanes-test" not in {thread.name for thread in threading.enumerate()}, "the thread to end")
    loop.stop()


def test_a_duty_that_is_not_done_in_every_round(time: Hands) -> None:
    done: list[int] = []
    duty = every(100, lambda now: done.append(now.mono))
    begun = time().mono
    for _ in range(5):
        duty(time())
        time.move(50)
    assert done == [begun, begun + 100, begun + 200]
