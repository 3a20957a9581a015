"""Over random histories, ``why`` says that a head may start exactly where a gateway may claim it."""

import random

import pytest

from lanes.base.procedure import run
from lanes.context import Context
from lanes.testing import HOUR, SECOND
from lanes.verbs import queries
from lanes_storage import doors
from lanes_storage.law import BoundTo, MessageState
from lanes_storage.records import Admission, Beat, NewMessage, RetryTerms, Ticket
from tests.kit.world import World

#: Sessions whose requests run on child lanes, and lanes of one run at a time.
SESSIONS, KEYS = ("s0", "s1"), ("s0", "s1", "k0", "k1", "k2")
WAITING = "SELECT id FROM messages WHERE state = :state"
MAY_START = "Nothing in the database keeps it from being claimed"


class History:
    """Two gateways that live, and what they and their senders do."""

    def __init__(self, world: World, rnd: random.Random) -> None:
        self.world, self.rnd = world, rnd
        self.owners = (world.me, world.owner(pid=4712))
        self.running: list[tuple[Ticket, int]] = []
        self.retry = RetryTerms(3, 20 * SECOND, frozenset({"provider_failed"}), HOUR, rnd.random() < 0.5)
        self.does = (
            [self.send] * 4 + [self.claim] * 3 + [self.end] * 3 + [self.pause, self.resume, self.order, self.wait]
        )

    def step(self) -> None:
        """Something happens; then both gateways beat."""
        self.rnd.choice(self.does)()
        self.world.recall()
        now = self.world.time()
        for owner in self.owners:
            beats = [
                Beat(it, "content", now.boot, now.wall, None, None, now.slept) for it, of in self.running if of == owner
            ]
            self.world.step(doors.heartbeat(owner, beats, now))

    def send(self) -> None:
        key = self.rnd.choice(KEYS)
        if key in SESSIONS:
            new = NewMessage(key, request='{"messages": []}', actor="sender")
            self.world.step(doors.accept(new, Admission(20, concurrency=3), self.world.time()))
        elif self.rnd.random() < 0.2:
            self.world.send(key, bound_to=BoundTo.CLIENT, bound_owner=self.rnd.choice(self.owners))
        else:
            self.world.send(key)

    def claim(self) -> None:
        owner = self.rnd.choice(self.owners)
        heads = self.world.candidates(owner, limit=100)
        claimed = self.world.try_claim(self.rnd.choice(heads), owner) if heads else None
        if claimed is not None:
            self.running.append((claimed.ticket, owner))

    def end(self) -> None:
        if not self.running:
            return
        ticket, _ = self.running.pop(self.rnd.randrange(len(self.running)))
        match self.rnd.randrange(3):
            case 0:
                self.world.complete(ticket)
            case 1:
                self.world.fail(ticket, retry=self.rnd.choice([None, self.retry]))
            case _:
                self.world.park(ticket, self.rnd.choice([5, 40]) * SECOND)

    def pause(self) -> None:
        until = self.rnd.choice([None, self.world.time().wall + 20 * SECOND])
        self.world.pause(self.rnd.choice(KEYS), until=until)

    def resume(self) -> None:
        self.world.resume(self.rnd.choice(KEYS))

    def order(self) -> None:
        waiting = [id_ for (id_,) in self.world.step(lambda tx: tx.rows(WAITING, {"state": MessageState.QUEUED}))]
        if waiting:
            self.rnd.choice([self.world.drop, self.world.move])(self.rnd.choice(waiting))

    def wait(self) -> None:
        self.world.time.move(self.rnd.choice([1, 5, 12]) * SECOND)


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 60))])
def test_F719_it_says_that_a_head_may_start_where_a_gateway_may_claim_it_and_nowhere_else(
    world: World, seed: int
) -> None:
    history = History(world, random.Random(seed))
    for _ in range(120):
        history.step()
        listed = world.keys()
        heads = {head.message_id for owner in history.owners for head in world.candidates(owner, limit=100)}
        for key in listed:
            said, head = run(world.store, queries.why(Context("me", world.time), key)).why, world.lane(key).head_id
            assert (MAY_START in said) == (head in heads), said
