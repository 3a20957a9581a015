"""What is done to lanes: pausing, resuming, taking note of how they ended."""

from collections.abc import Callable
from typing import Annotated

from lanes.context import Context
from lanes.errors import Changed, LanesError, NotAllowed, NotFound
from lanes.procedure import Effect, within
from lanes.verbs import said
from lanes.verbs.kinds import ONLY_PYTHON, Duration, Epoch, Key, Moment, Reason
from lanes.verbs.outs import ACTED, Acted
from lanes.verbs.verb import Deed, verb
from lanes_storage import reads
from lanes_storage.doors import control, pauses
from lanes_storage.doors.pauses import Control
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import HELD, LaneState


@verb(
    "POST /api/lanes/{key}/pause",
    out=ACTED,
    errors=(NotFound, Changed),
    examples=(
        'lanes pause agent:main:telegram:42 --for 10m --reason "provider in repair"',
        "lanes pause --match 'agent:*:feishu:*'",
    ),
    said=said.paused,
    deed=Deed("Pause {}", "Pause"),
)
def pause(
    ctx: Context,
    key: Key,
    *,
    for_: Annotated[Duration | None, "How long, such as 10m. [default: until resumed]"] = None,
    until: Annotated[Moment | None, ONLY_PYTHON] = None,
    reason: Reason | None = None,
    epoch: Epoch | None = None,
) -> Effect[Acted]:
    """Let lanes claim nothing. What runs goes on, what waits is kept."""
    now = ctx.now()
    end = until if for_ is None else now.wall + for_
    why = reason or "paused by hand"
    return _acted(key, lambda tx: pauses.pause(tx, key, now, actor=ctx.actor, reason=why, until=end, meant=epoch))


@verb(
    "POST /api/lanes/{key}/resume",
    out=ACTED,
    errors=(NotFound, Changed),
    examples=("lanes resume agent:main:telegram:42",),
    said=said.resumed,
    deed=Deed("Resume {}", "Resume"),
)
def resume(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[Acted]:
    """Let paused lanes claim again. Harmless on a lane that is not paused."""
    now = ctx.now()
    return _acted(key, lambda tx: pauses.resume(tx, key, now, actor=ctx.actor, meant=epoch))


@verb(
    "POST /api/lanes/{key}/ack",
    out=ACTED,
    errors=(NotFound, Changed, NotAllowed),
    examples=("lanes ack agent:main:telegram:42",),
    said=said.seen,
    deed=Deed("Take note of {}", "Ack", fits=frozenset({LaneState.ERRORED, LaneState.ABORTED})),
)
def ack(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[Acted]:
    """Say that errored or aborted lanes were seen.

    They go back to idle, and nothing else changes. A running lane is for `lanes abort`.
    """
    now = ctx.now()

    def act(tx: Transaction) -> Control:
        return control.ack(tx, key, now, actor=ctx.actor, meant=epoch)

    return _acted(key, act, refused=lambda met: met.state in HELD)


def _acted(
    key: str, act: Callable[[Transaction], Control], *, refused: Callable[[Control], bool] = lambda _: False
) -> Step[Acted | LanesError]:
    """Act on a lane, and read it in the same transaction: what came of it is told as it was then."""

    def step(tx: Transaction) -> Acted | LanesError:
        met = act(tx)
        if met.moved_on:
            return Changed(key, met.epoch)
        lane = within(tx, reads.lane(key))
        if lane is None:
            return NotFound("lane", key)
        if refused(met):
            return NotAllowed(f"lane {key!r} is running: use abort")
        return Acted(lane, met.landed)

    return step
