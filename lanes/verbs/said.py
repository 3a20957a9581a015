"""What came of a verb, in words: the command line and the dashboard say it alike."""

from typing import Any, NamedTuple

from lanes.abort import FREED, Outcome
from lanes.why import span
from lanes.words import clock_time, counted

Form = dict[str, Any]


class Said(NamedTuple):
    """One word to count by, and a sentence. ``grave``: it is not what was asked for."""

    word: str
    sentence: str
    grave: bool = False


def aborted(result: Form) -> Said:
    """After an abort: the outcome, as it was proven."""
    outcome = Outcome(result["outcome"])
    after, epoch = f"after {span(result['waited_s'] * 1000)}", result["epoch_after"]
    epochs = f"(epoch {result['epoch_before']} → {epoch})"
    sentence = {
        Outcome.RELEASED: f"released {after}",
        Outcome.FORCED: f"released by force {after}, its owner did not confirm and can write no more {epochs}",
        Outcome.REPAIRED: f"repaired {after}, nobody held the run any more {epochs}",
        Outcome.NOT_HELD: "nothing to abort",
        Outcome.CHANGED: f"changed: it stands at epoch {epoch} now, and was left alone",
        Outcome.CLEARED: "cleared",
        Outcome.PENDING: f"not confirmed {after}; the request stands" if result["waited_s"] else "requested",
    }[outcome]
    if dropped := result["dropped"]:
        sentence += f"; {counted(dropped, 'waiting message')} ended"
    if result["survivors"]:
        sentence += f"; still alive: {', '.join(result['survivors'])}"
    elif result["survivors"] is None and outcome is not Outcome.PENDING:
        sentence += "; whether processes of it survive is not known (`lanes why` tells if the lane waits for that)"
    return Said(outcome.replace("_", " "), sentence, outcome not in FREED)


def paused(lane: Form) -> Said:
    """After a pause."""
    until = lane["paused"] and lane["paused"]["until"]
    goes_on = "; its run goes on" if lane["run_id"] is not None else ""
    return Said("paused", f"paused until {clock_time(until) if until else 'resumed'}{goes_on}")


def resumed(lane: Form) -> Said:
    """After the end of a pause. A lane may still be paused: by a pattern, as other lanes are."""
    if lane["paused"]:
        return Said("still paused", f"still paused ({lane['paused']['reason']})", grave=True)
    word = "resumed" if lane["done"] else "not paused"
    return Said(word, word)


def seen(lane: Form) -> Said:
    """After note was taken of how a lane ended."""
    return Said("seen", str(lane["state"]))
