"""A restored copy: no epoch is given twice, and what waits or ran in it waits for a person."""

from lanes.testing import MINUTE
from lanes_storage import doors
from tests.kit.world import World


def restore(world: World, *, epoch: int = 0) -> list[str]:
    return world.step(lambda tx: doors.restored(tx, world.time(), actor="alice", epoch=epoch))


def test_no_epoch_is_given_twice(world: World) -> None:
    restore(world, epoch=100)
    assert world.start("a").ticket.epoch == 101
    restore(world, epoch=7)
    assert world.start("b").ticket.epoch == 102, "it never goes back"


def test_only_what_is_unfinished_is_paused(world: World) -> None:
    world.complete(world.start("over").ticket)
    world.send("waits")
    world.start("runs")
    assert restore(world) == ["waits", "runs"]
    pause = world.lane("waits").pause
    assert pause is not None
    assert (pause.reason, pause.actor, pause.until) == ("restored", "alice", None)
    assert world.lane("over").pause is None


def test_a_pause_of_a_person_stays_beside_that_of_the_restore(world: World) -> None:
    for key in ("for good", "for now"):
        world.send(key)
    world.pause("for good", reason="mine")
    world.pause("for now", reason="mine", until=world.time().wall + MINUTE)
    assert restore(world) == ["for good", "for now"]
    pauses = [world.lane(key).pause for key in ("for good", "for now")]
    assert [pause and (pause.reason, pause.until) for pause in pauses] == [("mine", None), ("restored", None)]
    assert len(world.table("pauses")) == 4
