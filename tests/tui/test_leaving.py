"""Every screen and dialog survives being told things while it is left, and afterwards; and a crash is told."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pexpect  # type: ignore[import-untyped]  # it has no hints
import pytest
from textual.screen import Screen

from lanes_tui.actions.closing import ClosingScreen
from lanes_tui.lanes.screen import MainScreen
from lanes_tui.screens.watching import Watching
from tests.faults.holding import LOCK, holding
from tests.kit.processes import PATIENCE_S, environment
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard
from tests.tui.terminal import terminal
from tests.tui.test_closing import LEFT, full, opened

__all__ = ["full"]


def last_ones(kind: type[Any]) -> set[type[Any]]:
    """The classes of ours that are made from a class, and that nothing is made from in turn."""
    further = {each for below in kind.__subclasses__() if _ours(below) for each in last_ones(below)}
    return further or {kind}


def _ours(kind: type[Any]) -> bool:
    return kind.__module__.startswith("lanes_tui")


def test_every_screen_and_dialog_is_left_in_these_tests() -> None:
    assert last_ones(ClosingScreen) - {MainScreen} <= {opening[-1][1] for opening, _ in LEFT}


@pytest.mark.parametrize(("opening", "leaving"), LEFT, ids=lambda given: "-".join(str(each[0]) for each in given))
async def test_F201_what_is_told_while_a_screen_is_left_harms_nobody(
    full: Stage, opening: tuple[tuple[str, type[Screen[Any]]], ...], leaving: list[str]
) -> None:
    """It is told at every turn of the loop from before the key that leaves it until long after it has gone."""
    async with dashboard(full.path, with_gateway=True) as driver:
        await driver.until(lambda: driver.key, "a lane")
        for opener, kind in opening:
            await driver.press(opener)
            await opened(driver, await driver.dialog(kind))
        left = driver.app.screen
        assert isinstance(left, ClosingScreen)
        told = await telling(driver, left, lambda: driver.press("escape"))
        assert told > 10, "it was told all along"
        left.update()
        assert left not in driver.app.screen_stack
        assert driver.app.is_running
        assert driver.app._exception is None


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("opens", ["journal", "owners", "providers", "dead_letters", "message", "palette", "help"])
async def test_F372_it_ends_without_a_word_while_a_screen_opens(full: Stage, opens: str, turns: int) -> None:
    async with dashboard(full.path) as driver:
        await driver.until(lambda: driver.key, "a lane")
        await driver.app.run_action(f"screen.{opens}" if opens == "help" else opens)
        for _ in range(turns):
            await asyncio.sleep(0)
        driver.app.exit(129)
    assert driver.app._exception is None


async def telling(driver: Driver, screen: ClosingScreen[Any], leave: Callable[[], Any]) -> int:
    """Tell a screen things at every turn of the loop while it is left; how often it was told."""
    told = 0

    async def tell() -> None:
        nonlocal told
        after = 20
        while after:
            screen.update()
            if isinstance(screen, Watching):
                screen.lose("gone while it was left")
            told += 1
            after -= not screen.is_running
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(tell())
        group.create_task(leave())
    return told


CRASHING = """
from lanes.commands import main
from lanes_tui.lanes.screen import MainScreen

def crash(self, picture):
    raise RuntimeError("a fault of the dashboard")

MainScreen.show = crash
main()
"""


def test_F201_a_crash_ends_with_another_exit_code_than_success(stage: Stage) -> None:
    stage.send("one:1", "hello")
    crashed = pexpect.spawn(
        sys.executable,
        ["-c", CRASHING, "dashboard", "--db", str(stage.path)],
        env=environment(stage.path.parent) | {"TERM": "xterm-256color"},
        dimensions=(24, 80),
        timeout=PATIENCE_S,
    )
    crashed.expect_exact("a fault of the dashboard")
    crashed.expect(pexpect.EOF)
    crashed.wait()
    assert crashed.exitstatus == 1


def test_F967_an_action_on_many_that_is_cut_by_leaving_says_how_far_it_came(stage: Stage) -> None:
    for number in range(3):
        stage.send(f"held:{number}", "waits")
    with terminal(stage.path) as seen:
        seen.shows("held:2", "LAST EVENTS")
        seen.press("\x01")
        seen.shows("marked 3")
        seen.press("p")
        seen.shows("Pause 3 lanes?")
        with holding(stage.path, LOCK):
            seen.press("\r")
            seen.shows("3 under way")
            seen.press("q")
            seen.hides("3 under way")
            seen.press("q")
            assert seen.ends() == 0
        assert "Pause 3 lanes: 3 not started or result unknown: stopped" in seen.text
