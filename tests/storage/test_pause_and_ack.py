"""Edge ``ack``, and the pause, which is no state: what an operator does to a lane besides aborting."""

import pytest

from lanes.testing import MINUTE
from lanes_storage.doors import Control
from lanes_storage.law import LaneState
from lanes_storage.records import PauseRow
from tests.kit.watch import Line, Watch
from tests.kit.world import World

ALL = list(LaneState)


def lane_in(world: World, state: LaneState, key: str = "a") -> None:
    """A lane in some state."""
    claimed = world.start(key)
    world.end_as(claimed, state)


# ---------------------------------------------------------------------------------------------- ack


@pytest.mark.parametrize("state", [LaneState.ERRORED, LaneState.ABORTED])
def test_ack_brings_a_lane_back_to_idle_and_changes_nothing_else(world: World, state: LaneState) -> None:
    lane_in(world, state)
    lane_in(world, state, "b")
    before = world.lane("a")
    world.time.move(MINUTE)
    seen = Watch(world)
    assert world.ack("a") == Control(True, state, before.epoch)
    after = world.lane("a")
    assert (after.state, after.last_error, after.epoch) == (LaneState.IDLE, None, before.epoch)
    assert world.state("b") is state
    assert seen.changed() == {"lanes": 1}
    assert seen.lines() == [Line("ack", state, "idle", epoch=before.epoch, actor="alice")]


@pytest.mark.parametrize("state", [LaneState.IDLE, LaneState.RUNNING])
def test_ack_of_a_lane_that_remembers_nothing_is_refused(world: World, state: LaneState) -> None:
    lane_in(world, state)
    seen = Watch(world)
    assert world.ack("a") == Control(False, state, world.lane("a").epoch)
    assert seen.nothing()


# -------------------------------------------------------------------------------------------- pause


@pytest.mark.parametrize("state", ALL)
def test_a_lane_can_be_paused_and_resumed_in_any_state(world: World, state: LaneState) -> None:
    lane_in(world, state)
    lane_in(world, state, "b")
    now, epoch = world.time.move(1).wall, world.lane("a").epoch
    seen = Watch(world)
    assert world.pause("a", until=now + MINUTE, reason="looking") == Control(True, state, epoch)
    assert world.lane("a").pause == PauseRow("looking", "alice", now, now + MINUTE)
    assert world.lane("b").pause is None
    assert world.state("a") is state
    assert seen.changed() == {"lanes": 1, "pauses": 1}
    assert seen.lines() == [Line("paused", epoch=epoch, actor="alice")]
    assert seen.detail() == {"reason": "looking", "until": now + MINUTE}

    world.pause("b")
    world.time.move(1)
    seen, before = Watch(world), world.table("pauses")
    assert world.resume("a") == Control(True, state, epoch)
    assert world.lane("a").pause is None
    assert world.lane("b").pause is not None
    assert world.table("pauses") == before[1:]
    assert seen.lines() == [Line("resumed", epoch=epoch, actor="alice")]


def test_a_second_pause_replaces_the_first(world: World) -> None:
    world.send("a")
    world.pause("a", until=world.time().wall + MINUTE)
    world.time.move(1)
    world.pause("a", reason="for good")
    assert world.lane("a").pause == PauseRow("for good", "alice", world.time().wall, None)


def test_resuming_what_is_not_paused_lands_nowhere(world: World) -> None:
    world.send("a")
    seen = Watch(world)
    assert world.resume("a") == Control(False, LaneState.IDLE)
    assert seen.nothing()


def test_a_paused_lane_loses_nothing_and_ends_what_it_runs(world: World) -> None:
    claimed = world.start("a")
    world.pause("a")
    world.send("a", "accepted all the same")
    assert world.complete(claimed.ticket).applied
    assert world.lane("a").queued == 1
    assert world.lane("a").pause is not None, "a release does not end the pause"
    world.resume("a")
    assert world.claim("a").message.text == "accepted all the same"


def test_a_lane_that_does_not_exist_is_told(world: World) -> None:
    none = Control(False, None)
    assert world.pause("none") == world.resume("none") == world.ack("none") == none
    assert world.table("lanes") == []


@pytest.mark.parametrize("door", ["pause", "resume", "ack"])
def test_a_lane_that_has_moved_on_is_left_alone(world: World, door: str) -> None:
    lane_in(world, LaneState.ERRORED)
    world.pause("a")
    world.time.move(1)
    epoch = world.lane("a").epoch

    def act(meant: int) -> Control:
        match door:
            case "pause":
                return world.pause("a", bound_epoch=meant)
            case "resume":
                return world.resume("a", bound_epoch=meant)
        return world.ack("a", bound_epoch=meant)

    seen = Watch(world)
    assert act(epoch - 1) == Control(False, LaneState.ERRORED, epoch, moved_on=True)
    assert seen.nothing()
    assert act(epoch).applied
