"""What a question names and takes: the message that is retried, the command that does the same, the first letter."""

import shlex

import pytest

from lanes_storage import reads
from lanes_storage.law import LaneState
from lanes_storage.records import LaneRow
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.results import Results
from tests.kit.stage import Stage
from tests.tui.driving import Drive, Driver, dashboard


def lane(stage: Stage, key: str) -> LaneRow:
    found = stage.store.read(reads.lane(key))
    assert found is not None
    return found


async def asked(driver: Driver, *keys: str) -> ActionDialog:
    await driver.until(lambda: driver.key, "a lane")
    await driver.press(*keys)
    return await driver.dialog(ActionDialog)


async def all_marked(driver: Driver, total: int) -> None:
    await driver.until(lambda: driver.total == total, "the lanes")
    await driver.press("ctrl+a")
    await driver.until(lambda: len(driver.main.marks) == total, "the marks")


async def test_F828_the_question_names_the_message_that_a_retry_takes(stage: Stage, drive: Drive) -> None:
    owner = stage.owner()
    first = stage.hold("failed:1", owner)
    stage.send("failed:1", "the newest one")
    stage.fail(first)
    stage.fail(stage.claim("failed:1", owner))
    async with drive(stage.path) as driver:
        dialog = await asked(driver, "R")
        await driver.until(lambda: "message #2  the newest one" in dialog.plain, "the message")
        assert "at the tail of its lane" in dialog.plain
        assert shlex.split(dialog.command or "")[:3] == ["lanes", "retry", "2"]
        await driver.press("enter")
        await driver.until(lambda: driver.said, "a word on it")
        assert "message 2 waits again as #3" in driver.said[-1]
        await driver.until(lambda: driver.main.lane is not None and driver.main.lane.queued == 1, "the new message")
        dialog = await asked(driver, "R")
        await driver.until(lambda: "message #1  the one that runs" in dialog.plain, "the one before")
        await driver.press("enter")
        await driver.until(lambda: len(driver.said) == 2, "a word on it")
        dialog = await asked(driver, "R")
        await driver.until(lambda: dialog.plain.startswith("Nothing to retry"), "that there is none")
        await driver.press("y")
        assert driver.app.screen is dialog


async def test_F828_of_many_lanes_the_message_of_each_that_is_named(stage: Stage) -> None:
    stage.fail_lanes(2, stage.owner())
    stage.send("waits:1", "hello")
    async with dashboard(stage.path) as driver:
        await all_marked(driver, 3)
        dialog = await asked(driver, "R")
        await driver.until(lambda: dialog.plain.count("the one that runs") == 2, "the messages")
        (waits,) = [line for line in dialog.plain.splitlines() if "waits:1" in line]
        assert "no failed or aborted message that was not retried" in waits
        assert dialog.command is None


async def test_F829_the_command_is_for_the_lanes_of_the_question_and_no_other(stage: Stage) -> None:
    """A glob would be for lanes to come too: for a pause that is another act."""
    stage.fail_lanes(3, stage.owner())
    async with dashboard(stage.path) as driver:
        await all_marked(driver, 3)
        for key, verb in (("K", "ack"), ("p", "pause"), ("a", "abort")):
            dialog = await asked(driver, key)
            words = shlex.split(dialog.command or "")
            assert words[:2] == ["lanes", verb]
            assert {*words} >= {f"failed:{number}" for number in range(3)}
            assert not {"--match", "--filter", "--all"} & {*words}
            await driver.press("escape")
            await driver.closed()


async def test_F829_above_twenty_there_is_a_command_only_where_a_filter_was_typed(stage: Stage) -> None:
    stage.fail_lanes(21, stage.owner())
    async with dashboard(stage.path) as driver:
        await all_marked(driver, 21)
        dialog = await asked(driver, "K")
        assert dialog.command is None
        await driver.press("escape", "U")
        await driver.closed()
        await driver.filter("state:errored")
        await all_marked(driver, 21)
        dialog = await asked(driver, "K")
        assert "lanes ack --filter state:errored" in (dialog.command or "")
        assert "acts on what matches when run" in dialog.plain


@pytest.mark.parametrize(("key", "verb"), [("a", "abort"), ("p", "pause"), ("K", "ack")])
async def test_F829_the_command_leaves_alone_what_the_question_would_leave_alone(
    stage: Stage, key: str, verb: str
) -> None:
    """A lane that has moved on; and a key that looks like an option is none."""
    owner = stage.owner()
    claimed = stage.hold("-x:1", owner)
    if verb == "ack":
        stage.fail(claimed)
    async with dashboard(stage.path) as driver:
        dialog = await asked(driver, key)
        words = shlex.split(dialog.command or "")
    assert words[:2] == ["lanes", verb]
    assert words[words.index("--epoch") + 1] == "1"
    assert words[-2:] == ["--", "-x:1"]


@pytest.mark.parametrize("keys", [["y"], ["tab", "y", "e", "s", "enter", "y"]])
async def test_y_is_the_answer_and_in_the_field_a_letter(stage: Stage, keys: list[str]) -> None:
    stage.hold("held:1", stage.dead_owner())
    async with dashboard(stage.path) as driver:
        dialog = await asked(driver, "a")
        while keys[0] == "tab" and "reason" not in str(driver.app.focused and driver.app.focused.id):
            await driver.press("tab")
        await driver.press(*(key for key in keys if key != "tab"))
        await driver.until(lambda: lane(stage, "held:1").state is LaneState.ABORTED, "the abort")
    assert dialog.how == ({"reason": "yes"} if len(keys) > 1 else {})


async def test_F831_what_is_typed_over_the_question_to_pause_goes_where_it_belongs(stage: Stage) -> None:
    """A digit begins a duration, and nothing else does."""
    stage.hold("held:1", stage.owner())
    async with dashboard(stage.path) as driver:
        dialog = await asked(driver, "p")
        await driver.write("10m")
        await driver.press("down")
        await driver.write("2 in repair")
        assert dialog.how == {"for_": 600_000, "reason": "2 in repair"}
        await driver.press("escape")
        await driver.closed()
        dialog = await asked(driver, "p")
        await driver.write("its provider is down")
        assert dialog.how == {"reason": "its provider is down"}
        await driver.press("enter")
        await driver.until(lambda: lane(stage, "held:1").pause, "the pause")


async def test_F831_the_same_holds_for_many(stage: Stage) -> None:
    stage.fail_lanes(21, stage.owner())
    async with dashboard(stage.path) as driver:
        await all_marked(driver, 21)
        dialog = await asked(driver, "p")
        await driver.write("5m")
        await driver.press("enter")
        results = await driver.dialog(Results)
        assert dialog.is_open is False
        await driver.until(lambda: results.run.done == 21, "every outcome")
