"""The table: its order, its cursor, its columns, on every size of screen."""

import asyncio
import re
from functools import partial
from itertools import pairwise

import pytest
from textual.content import Content

from lanes_storage import doors
from lanes_storage.interface import Transaction
from lanes_storage.records import Claimed, LaneOrder, LaneSort, RunUsage
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.columns import ColumnsDialog
from lanes_tui.display import columns, text
from lanes_tui.display.columns import ORDER
from lanes_tui.display.settings import Settings, load
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.tables.heads import Heads
from lanes_tui.widgets.detail import Detail
from lanes_tui.widgets.sheet import Sheet
from tests.kit.stage import Stage
from tests.tui.driving import dashboard
from tests.tui.test_everywhere import painted_text


def furnish(stage: Stage, lanes: int = 100) -> int:
    """So many idle lanes, and one that is held with a message waiting; the id of the owner."""
    owner = stage.owner()
    for number in range(lanes):
        stage.complete(stage.hold(f"idle:{number:03}", owner))
    stage.hold("held:1", owner, "waiting")
    return owner


async def test_an_empty_database_says_what_to_type_next(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        await driver.shows(
            "No lanes yet.", f"lanes send demo:1 hello {driver.app.source.option} {driver.app.source.name[:12]}"
        )
        stage.send("demo:1", "hello")
        await driver.until(lambda: driver.keys == ["demo:1"], "the first lane")


async def test_what_needs_attention_stands_at_the_top(stage: Stage) -> None:
    owner = furnish(stage)
    stage.fail(stage.hold("failed:1", owner))
    async with dashboard(stage.path) as driver:
        assert driver.keys[:4] == ["held:1", "failed:1", "idle:099", "idle:098"]
        assert "▶ running" in driver.rows[0]
        assert "✖ errored" in driver.rows[1]
        assert "provider_failed: all p" in driver.rows[1]


async def test_the_cursor_stays_on_its_lane_while_others_come_and_go(stage: Stage) -> None:
    owner = furnish(stage)
    async with dashboard(stage.path) as driver:
        await driver.press("down", "down")
        assert driver.key == "idle:098"
        above = stage.hold("held:2", owner, "waiting")
        await driver.until(lambda: driver.main.table.view.row == 3, "the lane to be pushed down")
        assert driver.key == "idle:098"
        assert driver.rows[3].startswith("▌")
        stage.complete(above)
        stage.hold("idle:098", owner, "waiting")
        await driver.until(lambda: driver.main.table.view.row == 2, "the lane to rise with the others")
        assert driver.key == "idle:098"


async def test_F601_the_first_line_is_the_first_lane_until_the_cursor_is_moved(stage: Stage) -> None:
    """A dashboard that nobody touches would go down with its first lane, away from what needs attention."""
    owner = stage.owner()
    for number in range(50):
        stage.complete(stage.hold(f"idle:{number:02}", owner))
    async with dashboard(stage.path, (80, 24)) as driver:
        assert driver.key == "idle:49"
        stage.hold("held:1", owner)
        await driver.until(lambda: driver.key == "held:1", "the lane that is held")
        assert driver.rows[0].startswith("▌")
        await driver.press("down")
        stage.hold("held:2", owner, "waiting")
        await driver.until(lambda: driver.main.table.view.row == 2, "another one above")
        assert driver.key == "idle:49", "it is kept elsewhere"
        await driver.press("g")
        await driver.until(lambda: driver.key == driver.keys[0] == "held:2", "the first one")


@pytest.mark.usefixtures("slow_hands")
async def test_F601_a_key_for_the_lane_that_stood_on_the_first_line_does_nothing_to_the_next(stage: Stage) -> None:
    owner = stage.owner()
    stage.fail(stage.hold("failed:1", owner))
    async with dashboard(stage.path) as driver:
        await driver.until(lambda: driver.key == "failed:1", "the first lane")
        stage.hold("held:0", owner)
        await driver.until(lambda: driver.key == "held:0", "another one on the first line")
        await driver.press("a")
        assert driver.app.screen is driver.main
        assert "the cursor is now on another lane" in driver.said[-1]
        stage.hold("held:2", owner, "waiting")
        await driver.until(lambda: driver.keys[0] == "held:2", "one more above")
        assert driver.key == "held:0", "from the first such key on it is kept"
        await driver.press("a")
        await driver.dialog(ActionDialog)


@pytest.mark.usefixtures("slow_hands")
async def test_F601_a_key_for_a_lane_that_left_the_list_does_nothing_to_the_next(stage: Stage) -> None:
    """Also where the cursor was kept on that lane."""
    owner = stage.owner()
    for key in ("failed:1", "failed:2"):
        stage.fail(stage.hold(key, owner))
    async with dashboard(stage.path) as driver:
        await driver.filter("state:errored")
        first, second = driver.keys
        await driver.press("p")
        await driver.dialog(ActionDialog)
        await driver.press("escape")
        stage.hold(first, owner)
        await driver.until(lambda: driver.key == second, "the next one on the first line")
        await driver.press("p")
        assert driver.app.screen is driver.main
        assert "the cursor is now on another lane" in driver.said[-1]
        await driver.press("p")
        await driver.dialog(ActionDialog)


@pytest.mark.usefixtures("slow_hands")
async def test_F666_a_key_for_a_lane_that_left_the_middle_of_the_list_does_nothing_to_the_next(stage: Stage) -> None:
    owner = stage.owner()
    stage.fail_lanes(4, owner)
    async with dashboard(stage.path) as driver:
        await driver.filter("state:errored")
        await driver.press("down")
        gone, following = driver.keys[1:3]
        stage.hold(gone, owner)
        await driver.until(lambda: driver.key == following, "the next one to move up")
        await driver.press("p")
        assert driver.app.screen is driver.main
        assert "the cursor is now on another lane" in driver.said[-1]
        stage.hold(driver.keys[0], owner)
        await driver.until(
            lambda: driver.key == following and driver.total == 2, "one less above, which is no other lane"
        )
        await driver.press("p")
        await driver.dialog(ActionDialog)
        await driver.press("escape", "up", "down", "p")
        await driver.dialog(ActionDialog)


async def test_F602_a_question_that_is_not_answered_leaves_the_cursor_on_its_lane(stage: Stage) -> None:
    owner = furnish(stage)
    async with dashboard(stage.path) as driver:
        await driver.press("down", "down")
        assert driver.key == "idle:098"
        await driver.press("p")
        await driver.dialog(ActionDialog)
        await driver.press("escape")
        stage.hold("held:2", owner, "waiting")
        await driver.until(lambda: driver.main.table.view.row == 3, "another lane above")
        assert driver.key == "idle:098"


async def test_F602_the_cursor_stays_on_a_lane_that_it_came_to_while_the_list_was_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list that was read then does not hold it any more."""
    owner = furnish(stage)
    async with dashboard(stage.path, (80, 24)) as driver:
        await driver.press("G")
        await driver.until(lambda: driver.key == "idle:000", "the last lane")
        source, goes_on, reading = driver.app.source, asyncio.Event(), list[int]()
        read = source.status

        async def status() -> object:
            reading.append(1)
            await goes_on.wait()
            return await read()

        stage.hold("idle:003", owner, "waiting")
        monkeypatch.setattr(source, "status", status)
        await driver.until(lambda: reading, "a look that has read the list")
        await driver.press("up", "up", "up")
        assert driver.key == "idle:003"
        goes_on.set()
        await driver.until(lambda: driver.main.table.view.row < 5, "the cursor to follow it")
        assert driver.key == "idle:003"


async def test_keys_go_through_a_list_that_is_longer_than_the_screen(stage: Stage) -> None:
    furnish(stage)
    async with dashboard(stage.path) as driver:
        await driver.press("G")
        await driver.until(lambda: driver.key == "idle:000", "the last lane")
        await driver.press("k", "up")
        assert driver.key == "idle:002"
        await driver.press("g", "j")
        await driver.until(lambda: driver.key == "idle:099", "the second lane")
        before = driver.main.table.view.row
        await driver.press("pagedown")
        await driver.until(lambda: driver.main.table.view.row > before + 3 and driver.key is not None, "the next page")
        await driver.press("pageup")
        await driver.until(lambda: driver.key == "idle:099", "the page before")


async def test_the_line_under_the_cursor_stands_out_from_the_others(stage: Stage) -> None:
    furnish(stage, 3)
    async with dashboard(stage.path) as driver:
        await driver.press("down")
        table = driver.main.table
        grounds = [{segment.style.bgcolor for segment in table.render_line(y) if segment.style} for y in range(3)]
        assert len(grounds[1]) == 1
        assert grounds[0] == grounds[2] != grounds[1]


async def test_F825_the_lane_that_a_search_found_is_painted_as_the_one_under_the_cursor(stage: Stage) -> None:
    """At once, with its detail: also while nothing changes by itself."""
    furnish(stage, 8)
    async with dashboard(stage.path) as driver:

        def painted(key: str) -> bool:
            lines = [line for line in painted_text(driver.app).splitlines() if line.startswith("▌")]
            return len(lines) == 1 and key in lines[0]

        await driver.press("f", "ctrl+f")
        await driver.write("idle:00")
        await driver.until(lambda: driver.key == "idle:007", "the first hit")
        assert painted("idle:007")
        for key in ("idle:006", "idle:005"):
            await driver.press(*["enter"] * (key == "idle:006"), "n")
            await driver.until(lambda key=key: driver.key == key, "the next hit")  # type: ignore[misc]
        assert painted("idle:005")
        title = driver.main.detail.query_one("#title", Sheet)
        await driver.until(lambda: "idle:005" in title.plain, "its detail")


async def test_F826_the_columns_are_counted_as_they_are_drawn(stage: Stage) -> None:
    stage.hold("agent:main:feishu:group:oc_d497a1", stage.owner())
    async with dashboard(stage.path, (80, 24)) as driver:
        for size in ((80, 24), (60, 15), (200, 50), (80, 24)):
            await driver.pilot.resize_terminal(*size)
            await driver.until(lambda size=size: driver.main.table.outer_size.width <= size[0], "the size")  # type: ignore[misc]
            await driver.settle()
            heads = driver.main.query_one(Heads).render()
            assert isinstance(heads, Content)
            drawn = sum(title in heads.plain for title in ORDER)
            assert f"cols {drawn}/{len(ORDER)} " in driver.bar, size


async def test_a_click_puts_the_cursor_on_a_lane(stage: Stage) -> None:
    furnish(stage)
    async with dashboard(stage.path) as driver:
        await driver.pilot.click("#lanes", offset=(10, 3))
        assert driver.key == "idle:097"


async def test_sort_goes_through_the_columns_and_turns_round(stage: Stage) -> None:
    owner = furnish(stage, 5)
    stage.hold("held:2", owner)
    async with dashboard(stage.path) as driver:
        orders = [driver.main.settings.order.by]
        while len(orders) < 12 and (len(orders) == 1 or orders[-1] is not LaneSort.SILENT):
            await driver.press("s")
            await driver.until(
                lambda: driver.main.picture and driver.main.picture.wish == driver.main.wish, "the order"
            )
            orders.append(driver.main.settings.order.by)
        assert [str(by) for by in orders] == [
            "silent", "attention", "state", "lane", "held", "beat", "queue", "wait", "owner", "error", "silent"
        ]  # fmt: skip
        driver.main.sort(LaneOrder(LaneSort.LANE))
        await driver.until(lambda: driver.keys[0] == "held:1", "the first key")
        assert driver.bar == "  sort lane ▼  cols 9/13 "
        await driver.press("S")
        await driver.until(lambda: driver.keys[0] == "idle:004", "the last key")
        assert "lane ▲" in driver.bar


async def test_a_click_on_a_head_sorts_by_it(stage: Stage) -> None:
    furnish(stage, 5)
    async with dashboard(stage.path) as driver:
        lane = next(column for column in driver.main.table.columns if column.title == "LANE")
        await driver.pilot.click(Heads, offset=(lane.x + 1, 0))
        await driver.until(lambda: driver.keys[:2] == ["held:1", "idle:000"], "the keys in order")
        await driver.pilot.click(Heads, offset=(lane.x + 1, 0))
        await driver.until(lambda: driver.keys[0] == "idle:004", "the keys the other way round")


async def test_columns_are_chosen_and_kept_with_order_and_rate(stage: Stage) -> None:
    furnish(stage, 5)
    kept = stage.path.parent / "config" / "dashboard.toml"
    async with dashboard(stage.path, (200, 50), settings=Settings(kept)) as driver:
        await driver.press("c")
        dialog = await driver.dialog(ColumnsDialog)
        await driver.press(
            *["down"] * ORDER.index("EPOCH"), "space", *["up"] * ORDER.index("EPOCH"), "space", "down", "space", "enter"
        )
        await driver.closed()
        assert dialog is not driver.app.screen
        titles = [column.title for column in driver.main.table.columns]
        assert "EPOCH" in titles
        assert "LANE" in titles
        assert "STATE" not in titles
        await driver.press("s", "s", "minus")
    again = load(kept)
    assert again.columns == tuple(title for title in ORDER if title in titles)
    assert (again.order.by, again.refresh_s) == (LaneSort.LANE, 0.5)
    async with dashboard(stage.path, (200, 50), settings=again) as driver:
        assert [column.title for column in driver.main.table.columns] == titles
        assert driver.keys[0] == "held:1"


async def test_the_columns_dialog_can_be_left_without_a_change(stage: Stage) -> None:
    async with dashboard(stage.path) as driver:
        await driver.press("c", "space", "escape")
        await driver.closed()
        assert driver.main.settings.columns == columns.USUAL
        await driver.press("c", "space", "u", "enter")
        await driver.closed()
        assert driver.main.settings.columns == columns.USUAL


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40), (200, 50)])
async def test_every_line_fits_the_screen(stage: Stage, size: tuple[int, int]) -> None:
    owner = furnish(stage)
    for key in ("飞书:群组:🎉" * 20, "x" * 512, "short"):
        stage.fail(stage.hold(key, owner), "an error that says much " * 20)
    async with dashboard(stage.path, size) as driver:
        heads = driver.main.query_one(Heads).render()
        assert isinstance(heads, Content)
        assert heads.cell_length <= size[0] - 1
        table = driver.main.table
        assert table.outer_size.width == size[0] or size[0] >= 140, "beside it stands the detail"
        for y in range(table.size.height):
            assert table.render_line(y).cell_length == table.outer_size.width - 1
        await driver.shows("live")
        first, second = driver.header.split("\n")
        assert text.line(first).cell_length <= size[0]
        assert text.line(second).cell_length <= size[0]
        assert re.search("▶ (running )?1", second)


@pytest.mark.parametrize("width", range(30, 220, 7))
def test_columns_never_run_over_and_the_key_always_has_room(width: int) -> None:
    for chosen in (columns.USUAL, ORDER, ("LANE",)):
        laid = columns.lay_out(width, chosen)
        assert laid[-1].x + laid[-1].width <= width
        assert all(a.x + a.width < b.x for a, b in pairwise(laid))
        (lane,) = [column for column in laid if column.title == "LANE"]
        assert lane.width >= min(22, width - 20)


async def test_F974_beside_a_very_long_key_a_cause_is_whole_and_nothing_of_what_hardly_fits(stage: Stage) -> None:
    owner = stage.owner()
    stage.fail(stage.hold("k" * 500, owner))
    stage.park(stage.hold("parked:1", owner))
    async with dashboard(stage.path) as driver:
        await driver.shows("errored", "parked")
        told = sorted(row.rpartition("  ")[2].strip() for row in driver.rows)
        assert told[-1] == "provider_failed"
        assert re.fullmatch(r"again in \d+[ms]", told[-2])


async def test_enter_opens_the_lane_and_v_hides_the_detail(stage: Stage) -> None:
    furnish(stage, 3)
    async with dashboard(stage.path) as driver:
        await driver.press("v")
        assert driver.main.query_one(Detail).has_class("-hidden")
        await driver.press("enter")
        screen = await driver.dialog(LaneScreen)
        assert screen.lane_key == "held:1"


async def test_the_terminal_may_change_its_size_at_any_time(stage: Stage) -> None:
    furnish(stage)
    async with dashboard(stage.path) as driver:
        await driver.press("G")
        await driver.until(lambda: driver.key == "idle:000", "the last lane")
        for size in ((30, 10), (200, 60), (80, 24)):
            await driver.pilot.resize_terminal(*size)
            await driver.until(lambda: driver.rows[-1].startswith("▌"), "the cursor on the last line")
            assert driver.key == "idle:000"
            assert "idle" in driver.rows[-1]


async def test_what_has_changed_is_marked_for_a_moment(stage: Stage) -> None:
    furnish(stage, 3)
    async with dashboard(stage.path) as driver:
        table = driver.main.table
        await driver.until(lambda: "held:1" in driver.rows[0], "the lanes")
        assert not table._fresh
        stage.send("held:1", "more")
        await driver.until(lambda: table._fresh_at(0), "the mark on its queue")
        queue = next(i for i, column in enumerate(table.columns) if column.title == "QUEUE")
        assert queue in table._fresh_at(0)
        await driver.until(lambda: not table._fresh, "the mark to go")


def _used(claimed: Claimed, usage: RunUsage, tx: Transaction) -> None:
    doors.note_usage(tx, claimed.message.lane_id, claimed.ticket.run_id, usage)


async def test_what_runs_cost_is_a_column_and_an_order(stage: Stage) -> None:
    owner = stage.owner()
    for key, usage in (
        ("dear:1", RunUsage(9_000, 500, 420_000)),
        ("free:1", RunUsage(15_000, 400)),
        ("cheap:1", RunUsage(10, 5, 1_200)),
    ):
        claimed = stage.hold(key, owner)
        stage.store.write(partial(_used, claimed, usage))
    stage.hold("none:1", owner)
    settings = Settings(columns=("STATE", "LANE", "COST"), order=LaneOrder(LaneSort.COST))
    async with dashboard(stage.path, settings=settings) as driver:
        await driver.until(lambda: len(driver.keys) == 4, "the lanes")
        assert [row.partition(":1")[2].strip() for row in driver.rows[:4]] == ["$0.42", "$0.0012", "15k tok", ""]
        assert driver.keys == ["dear:1", "cheap:1", "free:1", "none:1"]
