"""Filter and search: typed terms, what is told of them, and that nothing is lost on the way."""

from pathlib import Path

import pytest
from textual.events import Key

from lanes_tui.screens.lane import LaneScreen
from lanes_tui.widgets.filter_bar import FilterInput, SearchInput
from tests.kit.stage import Stage
from tests.tui.driving import dashboard


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty lanes of two channels: one failed, one that is held and waited for, the others idle. Only looked at."""
    stage = Stage(tmp_path_factory.mktemp("crowd") / "lanes.db")
    owner = stage.owner()
    for number in range(60):
        stage.complete(stage.hold(f"{'slack' if number % 2 else 'feishu'}:{number:02}", owner))
    stage.fail(stage.hold("slack:01", owner))
    stage.hold("feishu:00", owner, "waiting", "waiting too")
    stage.close()
    return stage.path


async def test_bare_words_are_parts_of_the_key(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.filter("FEISHU 1")
        assert driver.keys == ["feishu:18", "feishu:16", "feishu:14", "feishu:12", "feishu:10"]
        assert "all 60  match 5" in driver.header


async def test_fields_choose_by_what_lanes_do(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.filter("state:err,run")
        assert driver.keys == ["feishu:00", "slack:01"]
        await driver.press("escape")
        await driver.filter("queue:>1")
        assert driver.keys == ["feishu:00"]
        await driver.press("escape")
        await driver.filter('error:"providers failed" -feishu')
        assert driver.keys == ["slack:01"]


async def test_what_is_typed_ahead_is_part_of_the_filter_and_commands_nothing(crowd: Path) -> None:
    """As over a slow line: the keys come at once, before the filter has the focus."""
    async with dashboard(crowd) as driver:
        for key in ("slash", *"feAp"):
            driver.app.post_message(Key(key, "/" if key == "slash" else key))
        await driver.until(lambda: driver.main.query_one(FilterInput).value == "feAp", "the filter")
        assert driver.app.screen is driver.main
        assert not driver.main.looking.frozen
        assert driver.said == []


async def test_a_word_that_is_not_understood_is_told_and_empties_nothing(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.filter("slack:0")
        await driver.press("slash")
        await driver.write(" held:<5")
        await driver.until(lambda: "a duration must be a number and a unit" in driver.bar, "the problem")
        await driver.press("enter", "ctrl+a")
        await driver.until(lambda: driver.said, "the refusal")
        assert "nothing marked" in driver.said[-1]
        assert tuple(driver.main.marks) == ()
        assert driver.keys == ["slack:01", "slack:09", "slack:07", "slack:05", "slack:03"]
        await driver.press("slash")
        await driver.write("m")
        await driver.until(lambda: "sort silent" in driver.bar and driver.total == 0, "the whole filter")
        await driver.shows("No lane fits the filter.", "esc clears it", "held:>5m", "silent:>1m")


async def test_a_misspelt_field_names_the_nearest(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.press("slash")
        await driver.write("sate:errored")
        await driver.until(lambda: "did you mean “state:”?" in driver.bar, "the nearest")
        await driver.until(lambda: driver.total == 60, "the lanes")
        await driver.press("escape", "slash")
        await driver.write("state:errored sate:x")
        await driver.until(lambda: driver.keys == ["slack:01"], "what is understood chooses")


async def test_F205_a_filter_typed_far_down_goes_to_its_first_lane_and_enter_opens_that(crowd: Path) -> None:
    async with dashboard(crowd, (100, 20)) as driver:
        await driver.press("G")
        await driver.until(lambda: driver.key == "feishu:02", "the last lane")
        await driver.press("slash")
        await driver.write("slack")
        await driver.press("enter", "enter")  # at once: the lanes of the filter may not be there yet
        screen = await driver.dialog(LaneScreen)
        assert screen.lane_key == "slack:01"
        assert driver.main.table.view.row == 0


async def test_escape_clears_the_filter_from_the_table_too(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.filter("slack:03")
        assert driver.keys == ["slack:03"]
        await driver.press("escape")
        await driver.until(lambda: driver.total == 60, "every lane")
        assert driver.main.query_one(FilterInput).value == ""
        assert driver.main.table.has_focus


async def test_the_cursor_stays_on_its_lane_when_the_filter_goes(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.filter("slack:03")
        await driver.until(lambda: driver.key == "slack:03", "its only lane")
        await driver.press("escape")
        await driver.until(lambda: driver.total == 60, "every lane")
        assert driver.key == "slack:03"


async def test_search_goes_to_the_nearest_hit_while_it_is_typed(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.press("ctrl+f")
        await driver.write("slack:5")
        await driver.until(lambda: driver.key == "slack:59", "the first hit")
        assert driver.bar == "1 of 5  n/N "
        await driver.press("enter")
        await driver.until(lambda: driver.main.table.has_focus, "the table to be in hand again")
        await driver.press("n")
        await driver.until(lambda: driver.key == "slack:57", "the next hit")
        for hit in ("slack:55", "slack:53", "slack:51"):
            await driver.press("n")
            await driver.until(lambda hit=hit: driver.key == hit, hit)  # type: ignore[misc]
        await driver.press("n")
        await driver.until(lambda: driver.key == "slack:59", "the first hit again")
        await driver.press("N")
        await driver.until(lambda: driver.key == "slack:51", "the last hit, backwards")
        assert driver.total == 60


async def test_a_search_that_is_left_goes_back_to_where_it_began(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.press("down", "down", "ctrl+f")
        began = driver.key
        await driver.write("slack:21")
        await driver.until(lambda: driver.key == "slack:21", "the hit")
        await driver.press("escape")
        await driver.until(lambda: driver.key == began, "where it began")
        assert not driver.main.query_one(SearchInput).display
        assert driver.main.query_one(FilterInput).display


async def test_a_search_without_a_hit_says_so_and_moves_nothing(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        before = driver.key
        await driver.press("ctrl+f")
        await driver.write("nobody")
        await driver.until(lambda: "no lane has “nobody”" in driver.bar, "the word on it")
        assert driver.key == before


async def test_what_is_pasted_keeps_only_what_can_be_shown(crowd: Path) -> None:
    async with dashboard(crowd) as driver:
        await driver.press("slash")
        driver.main.query_one(FilterInput).value = "a\x1b[31mb\u202ec\x9b" + "x" * 900
        await driver.settle()
        value = driver.main.query_one(FilterInput).value
        assert value.startswith("a[31mbcxxx")
        assert len(value) <= 600
