"""Pause, resume, ack and retry that mean one epoch leave a lane alone that has moved on from it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lanes.base.errors import Changed, NotAllowed
from lanes.base.procedure import Effect, run
from lanes.context import Context
from lanes.verbs import control, messages
from lanes_storage import reads
from lanes_storage.law import LaneState
from tests.kit.databases import new_store
from tests.kit.world import World

ACTIONS: dict[str, Callable[..., Effect[Any]]] = {
    "pause": control.pause,
    "resume": control.resume,
    "ack": control.ack,
    "retry": messages.retry_last,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = new_store(tmp_path / "lanes.db")
    yield World(store)
    store.close()


def errored(world: World, key: str) -> int:
    """A lane whose run failed; its epoch."""
    claimed = world.start(key)
    world.fail(claimed.ticket)
    return world.lane(key).epoch


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_another_epoch_is_left_alone(world: World, name: str) -> None:
    before = errored(world, "moved")
    world.start("moved")  # it has taken its next message since
    lane, events = world.lane("moved"), world.events()
    with pytest.raises(Changed) as raised:
        run(world.store, ACTIONS[name](Context("alice", world.time), "moved", epoch=before), world.time)
    assert raised.value.epoch == world.lane("moved").epoch > before
    assert (world.lane("moved"), world.events()) == (lane, events)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_the_epoch_that_is_meant_is_acted_on(world: World, name: str) -> None:
    epoch = errored(world, "still")
    run(world.store, control.pause(Context("bob", world.time), "still", epoch=epoch), world.time)
    run(world.store, ACTIONS[name](Context("alice", world.time), "still", epoch=epoch), world.time)
    lane = world.lane("still")
    assert (lane.pause is None) == (name == "resume")
    assert (lane.state is LaneState.IDLE) == (name == "ack")
    assert lane.queued == (name == "retry")


def test_only_what_failed_and_was_not_retried_can_be_retried(world: World) -> None:
    errored(world, "once")
    again = run(world.store, messages.retry_last(Context("alice", world.time), "once"), world.time)
    assert again.retry_of is not None
    assert world.store.read(reads.message(again.retry_of)).retried_as == again.id  # type: ignore[union-attr]
    with pytest.raises(NotAllowed, match="no failed or aborted message"):
        run(world.store, messages.retry_last(Context("alice", world.time), "once"), world.time)
