"""What is expensive to ask is asked less often; but no answer is kept for ever, or over what was done since."""

import asyncio
import contextlib
import os
import pty

import pytest
from textual.drivers._writer_thread import WriterThread

from lanes.verbs.control import pause_all
from lanes_tui.sources.file import FileSource
from lanes_tui.sources.pacing import MOST_S, Paced
from lanes_tui.surroundings import QuietDriver
from tests.kit.stage import Stage
from tests.tui.driving import Listened, dashboard


class AskedTwice:
    """A question that takes some seconds of a clock that it moves itself."""

    def __init__(self, paced: Paced[int], takes_s: float, clock: "MovedClock") -> None:
        self.asked = 0
        self._paced, self._takes_s, self._clock = paced, takes_s, clock

    async def answer(self, question: str = "the same") -> int:
        return await self._paced.answer(question, self._ask)

    async def _ask(self) -> int:
        self.asked += 1
        self._clock.now += self._takes_s
        return self.asked


class MovedClock:
    """The time of the event loop."""

    def __init__(self) -> None:
        self.now = 1_000.0
        asyncio.get_running_loop().time = lambda: self.now  # type: ignore[method-assign]


async def test_an_answer_is_kept_for_a_multiple_of_what_it_took_and_not_for_longer() -> None:
    clock = MovedClock()
    for takes_s, kept_s in ((0.1, 2.0), (0.4, 8.0), (60.0, MOST_S)):
        asked = AskedTwice(Paced(), takes_s, clock)
        await asked.answer()
        clock.now += kept_s - 0.01
        assert await asked.answer() == 1
        clock.now += 0.02
        assert await asked.answer() == 2


async def test_another_question_is_asked_and_what_is_forgotten_is_asked_again() -> None:
    paced: Paced[int] = Paced()
    asked = AskedTwice(paced, 1.0, MovedClock())
    assert [await asked.answer(), await asked.answer(), await asked.answer("another")] == [1, 1, 2]
    paced.forget()
    assert await asked.answer("another") == 3


async def test_what_was_done_here_is_seen_at_the_next_look(stage: Stage) -> None:
    source = FileSource(str(stage.path), actor="alice@here")
    source._statuses = Paced(10**9)  # as if it had taken very long
    assert (await source.status()).record.pauses == ()
    await source.call(pause_all)
    assert [pause.of_all for pause in (await source.status()).record.pauses] == [True]
    await source.close()


async def test_F607_nothing_is_looked_at_while_the_terminal_has_not_taken_what_was_painted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow line, what is seen would be older with every look."""
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        asked: list[Listened] = []

        def is_behind(app: Listened) -> bool:
            asked.append(app)
            return True

        monkeypatch.setattr(Listened, "is_behind", property(is_behind))
        await driver.until(lambda: asked, "the end of the last look")
        stage.send("sent:1", "hello")
        await driver.press("r")
        await driver.until(lambda: len(asked) > 5, "the terminal to be asked some times more")
        assert driver.keys == ["held:1"]
        monkeypatch.setattr(Listened, "is_behind", False)
        await driver.until(lambda: len(driver.keys) == 2, "the look")


def test_F607_a_terminal_that_takes_no_more_is_behind() -> None:
    shown, line = pty.openpty()
    with os.fdopen(line, "w") as file, os.fdopen(shown, "rb", buffering=0) as terminal:
        driver = object.__new__(QuietDriver)
        driver._writer_thread = WriterThread(file)

        def is_behind() -> bool:
            return driver.is_behind

        assert not is_behind()
        os.set_blocking(line, False)
        for _ in range(1_000):  # the kernel takes a little more once it has moved what it took before
            with contextlib.suppress(BlockingIOError):
                os.write(line, b"x" * 4096)
        assert is_behind()
        os.set_blocking(shown, False)
        with contextlib.suppress(BlockingIOError):
            while terminal.read(65_536):
                pass
        assert not is_behind()
        driver.write("painted, and still to be written")
        assert is_behind()
