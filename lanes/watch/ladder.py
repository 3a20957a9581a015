"""Freeing a session of another program: the weakest way first, each proven before the next is tried."""

import time
from typing import NamedTuple

from lanes.records import Outcome, WatchedStep
from lanes.watch.adapter import Adapter, SourceDown
from lanes_storage.records import Sighting

#: How long the proof of one rung may take (s).
PROOF_S = 6.0


class Freed(NamedTuple):
    """The outcome, and every step with what was claimed and what was proven."""

    outcome: Outcome
    steps: tuple[WatchedStep, ...] = ()


async def free(adapter: Adapter, seen: Sighting | None, *, reset: bool) -> Freed:
    """Climb the ladder until the runs that were seen are proven to be over."""
    if seen is None or not seen.held:
        return Freed(Outcome.NOT_HELD)
    steps: list[WatchedStep] = []
    try:
        for rung in adapter.rungs(seen):
            if rung.resets and not reset:
                continue
            began = time.monotonic()
            claim = await adapter.abort(rung)
            proof = await adapter.prove(seen, rung, claim, PROOF_S if claim.claimed or rung.resets else 0.0)
            took_ms = round(1000 * (time.monotonic() - began))
            steps.append(WatchedStep(rung.name, claim.claimed, claim.text, proof, took_ms))
            if proof is not None:  # without a claim, the run ended by itself or by a step before
                ended = any(step.claimed for step in steps) or rung.resets
                return Freed(Outcome.RELEASED if ended else Outcome.NOT_HELD, tuple(steps))
    except SourceDown as error:
        return unreachable(error, *steps)
    return Freed(Outcome.INEFFECTIVE, tuple(steps))


def unreachable(why: SourceDown, *before: WatchedStep) -> Freed:
    """The outcome if the gateway cannot be reached after these steps."""
    return Freed(Outcome.UNREACHABLE, (*before, WatchedStep("reach its gateway", False, str(why), None, 0)))
