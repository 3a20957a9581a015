"""Lanes folded by the first parts of their keys: counted, opened, and acted on as marks."""

import pytest

from lanes_tui.lanes.screen import MainScreen
from lanes_tui.screens.groups import GroupsScreen
from tests.kit.stage import Stage
from tests.tui.driving import Drive, Driver, dashboard
from tests.tui.test_screens import shown


def house(stage: Stage) -> None:
    """Three agents: one that failed twice, one that works, and one that is idle."""
    owner = stage.owner()
    for number in range(2):
        stage.fail(stage.hold(f"agent:bad:slack:{number}", owner))
        stage.hold(f"agent:busy:web:{number}", owner)
        stage.complete(stage.hold(f"agent:calm:web:{number}", owner))
    stage.complete(stage.hold("agent:odd*[x]:web:1", owner))
    stage.complete(stage.hold("single", owner))


async def opened(driver: Driver) -> GroupsScreen:
    await driver.press("L")
    screen = await driver.dialog(GroupsScreen)
    await driver.until(lambda: "agent:calm" in shown(screen, "groups"), "the groups")
    return screen


async def test_groups_are_counted_the_worst_first_and_folded_by_more_parts_or_fewer(stage: Stage, drive: Drive) -> None:
    house(stage)
    async with drive(stage.path, size=(120, 30)) as driver:
        screen = await opened(driver)
        lines = [" ".join(line.split()) for line in shown(screen, "groups").splitlines()]
        assert lines[0] == "✖ errored agent:bad: 2 2"
        assert lines[1] == "▶ running agent:busy: 2 2"
        assert "○ idle single 1" in lines
        await driver.press("right_square_bracket")
        await driver.until(lambda: "agent:bad:slack:" in shown(screen, "groups"), "three parts")
        await driver.press("left_square_bracket", "left_square_bracket")
        await driver.until(lambda: "agent: " in shown(screen, "groups"), "one part")
        assert "by the first part of" in shown(screen, "bar")
        assert driver.main.settings.parts == 1


async def test_enter_shows_the_lanes_of_a_group(stage: Stage, drive: Drive) -> None:
    house(stage)
    async with drive(stage.path) as driver:
        screen = await opened(driver)
        await driver.until(lambda: "odd*[x]" in shown(screen, "groups"), "the odd one")
        await driver.press("enter")
        await driver.closed()
        await driver.until(lambda: driver.keys == ["agent:bad:slack:1", "agent:bad:slack:0"], "its lanes")
        await driver.press("escape")
        screen = await opened(driver)
        odd = next(i for i, line in enumerate(shown(screen, "groups").splitlines()) if "odd" in line)
        await driver.press(*["j"] * odd, "enter")
        await driver.closed()
        await driver.until(lambda: driver.keys == ["agent:odd*[x]:web:1"], "what looks like a glob is none")


async def test_an_action_on_a_group_is_one_on_its_lanes(stage: Stage, drive: Drive) -> None:
    house(stage)
    async with drive(stage.path) as driver:
        await opened(driver)
        await driver.press("space")
        await driver.until(lambda: len(driver.main.marks) == 2, "its marks")
        await driver.press("K")
        await driver.until(lambda: set(driver.main.marks) == {"agent:busy:web:0", "agent:busy:web:1"}, "only these")
        await driver.until(lambda: not isinstance(driver.app.screen, MainScreen | GroupsScreen), "the question")
        await driver.press("escape")
        await driver.closed()


@pytest.mark.usefixtures("slow_hands")
async def test_F699_a_key_for_a_group_that_left_the_list_does_nothing_to_the_next(stage: Stage) -> None:
    house(stage)
    async with dashboard(stage.path) as driver:
        screen = await opened(driver)
        await driver.press("right_square_bracket")
        await driver.until(lambda: screen.group and screen.group.prefix == "agent:bad:slack", "another group")
        await driver.press("K")
        assert driver.app.screen is screen
        assert "the cursor is now on another row" in driver.said[-1]
        await driver.press("K")
        await driver.until(lambda: not isinstance(driver.app.screen, GroupsScreen), "the second key is for it")
