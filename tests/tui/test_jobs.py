"""An operator's jobs, counted in keys; what is typed into a field counts as one."""

from lanes_storage import reads
from lanes_storage.law import MessageState
from lanes_storage.records import How, LaneFilter, Subject
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.results import Results
from lanes_tui.screens.dead_letters import DeadLettersScreen
from lanes_tui.screens.owners import OwnersScreen
from tests.kit.crowd import crowd
from tests.kit.stage import Stage
from tests.tui.driving import Driver, dashboard

#: Few enough for a test; the keys are the same among 100,000.
LANES = 1_000
AGENT = "agent:07:"
OF_AGENT = LANES // 40


class Hand:
    """Presses keys and counts them."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.keys = 0

    async def press(self, *keys: str) -> None:
        """Press keys, each of which counts."""
        self.keys += len(keys)
        await self.driver.press(*keys)

    async def write(self, text: str) -> None:
        """Type a text, which counts as one key."""
        self.keys += 1
        await self.driver.write(text)


async def test_an_agent_is_paused_for_an_hour_with_a_reason(stage: Stage) -> None:
    crowd(stage.path, LANES)
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await driver.filter(AGENT)
        await hand.press("ctrl+a")
        await driver.until(lambda: len(driver.main.marks) == OF_AGENT, "its lanes")
        await hand.press("p")
        await driver.dialog(ActionDialog)
        await hand.write("1h")
        await hand.press("tab")
        await hand.write("key rotation")
        await hand.press("enter")
        await hand.write(str(OF_AGENT))
        await hand.press("enter")
        results = await driver.dialog(Results)
        await driver.until(lambda: results.run.ended, "the end")
    assert hand.keys <= 8
    of_agent = LaneFilter().where("key", How.HAS, AGENT)
    lanes = stage.store.read(reads.lanes(of_agent))
    assert {lane.pause.reason for lane in lanes if lane.pause is not None} == {"key rotation"}
    assert all(lane.pause is not None and lane.pause.until is not None for lane in lanes)
    assert stage.store.read(reads.counts(0)).paused == OF_AGENT, "and no other"


async def test_an_outage_is_retried(stage: Stage) -> None:
    owner = stage.owner()
    for number in range(3):
        stage.fail(stage.hold(f"failed:{number}", owner))
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await hand.press("D")
        screen = await driver.dialog(DeadLettersScreen)
        await hand.press("slash")
        await hand.write("since:1h provider:codex")
        await hand.press("enter")
        await driver.until(lambda: screen.rows.total == 3, "the letters")
        await hand.press("ctrl+a")
        await driver.until(lambda: len(screen.marks) == 3, "the marks")
        await hand.press("R")
        dialog = await driver.dialog(ActionDialog)
        assert "lanes retry --filter 'since:1h provider:codex' --yes" in dialog.said
        await hand.press("enter")
        results = await driver.dialog(Results)
        await driver.until(lambda: results.run.ended, "the end")
        assert [result.name.split()[0] for result in results.run.well] == ["#1", "#2", "#3"], "the oldest first"
    assert hand.keys <= 8
    left = stage.store.read(reads.letter_tally(LaneFilter(of=Subject.MESSAGE), waiting=True))
    assert left.letters == 0
    assert stage.message(4).state is MessageState.QUEUED


async def test_the_bad_gateway_is_named_and_drained(stage: Stage) -> None:
    good, bad = stage.owner(), stage.owner()
    stage.complete(stage.hold("good:1", good))
    stage.fail(stage.hold("bad:1", bad))
    async with dashboard(stage.path) as driver:
        hand = Hand(driver)
        await hand.press("O")
        screen = await driver.dialog(OwnersScreen)
        await driver.until(lambda: screen.query_one("#owners").key == str(bad), "the one that fails, first")  # type: ignore[attr-defined]
        await hand.press("W")
        dialog = await driver.dialog(ActionDialog)
        assert f"gateway {bad}" in dialog.said
        await hand.press("y")
        await driver.until(lambda: stage.store.read(reads.drain_of_owner(bad)), "the drain")
    assert hand.keys <= 5
    assert stage.store.read(reads.drain_of_owner(good)) is None
