"""The result of a verb as a sentence, the same for the command line and the dashboard."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from lanes.explain.phrases import clock_time, counted
from lanes.records import FREED, Outcome
from lanes.text.naming import all_lanes, on_lane, resume_command
from lanes.text.spans import span
from lanes_storage.tuples import NamedTuple

if TYPE_CHECKING:
    from lanes.records import AbortResult, Acted, GlobActed, Message, Pause, ProviderResetDone, WatchedStep


class Action(StrEnum):
    """An action on the messages that a filter chooses."""

    RETRY = "retry"
    DROP = "drop"


class OutcomeText(NamedTuple):
    """A word to count by, and a sentence. ``grave``: the verb did not do what was asked for."""

    word: str
    sentence: str
    grave: bool = False


def aborted(result: AbortResult) -> OutcomeText:
    """The proven outcome of an abort."""
    outcome, after = result.outcome, f"after {span(result.waited_s * 1000)}"
    epochs = f"(epoch {result.epoch_before} → {result.epoch_after})"
    sentence = {
        Outcome.RELEASED: f"released {after}",
        Outcome.FORCED: f"released by force {after}, its owner did not confirm and can write no more {epochs}",
        Outcome.REPAIRED: f"repaired {after}, no process held the run any more {epochs}",
        Outcome.NOT_HELD: "nothing to abort",
        Outcome.CHANGED: f"changed: it is at epoch {result.epoch_after} now, and was not aborted",
        Outcome.CLEARED: "cleared",
        Outcome.INEFFECTIVE: f"not freed: its gateway was not seen to end the run, {after}",
        Outcome.UNREACHABLE: f"not freed: {_last_word(result)}",
        Outcome.PENDING: f"not confirmed {after}; the request stands: `{_why(result)}` says what it waits for"
        if result.waited_s
        else "requested",
    }[outcome]
    if (step := _proven(result)) is not None and outcome is Outcome.RELEASED:
        sentence += f" by “{step.step}”: {step.proof}"
    if result.dropped:
        sentence += f"; {counted(result.dropped, 'waiting message')} ended"
    if result.survivors:
        sentence += f"; still alive: {', '.join(result.survivors)}"
    elif result.survivors is None and result.steps and outcome is Outcome.RELEASED:
        sentence += "; whether processes of its tools survive is not known"
    elif result.survivors is None and outcome in FREED:
        sentence += (
            f"; whether processes of it survive is not known (`{_why(result)}` tells if the lane waits for that)"
        )
    return OutcomeText(outcome.replace("_", " "), sentence, outcome not in FREED)


def _why(result: AbortResult) -> str:
    return on_lane("why", result.key)


def _proven(result: AbortResult) -> WatchedStep | None:
    """The step that is proven to have freed a watched lane."""
    return next((step for step in result.steps if step.proof is not None), None)


def _last_word(result: AbortResult) -> str:
    return result.steps[-1].said if result.steps else "its gateway cannot be reached"


def retried(message: Message) -> OutcomeText:
    """A retry; the message is the new one."""
    return OutcomeText("retried", f"retried: message {message.retry_of} waits again as #{message.id}")


def dropped(message: Message) -> OutcomeText:
    """A waiting message that was dropped."""
    return OutcomeText("dropped", f"message {message.id} of {message.key}: {message.state}")


def moved(message: Message) -> OutcomeText:
    """A waiting message that was moved."""
    return OutcomeText("moved", f"message {message.id} of {message.key} is the next one of its lane")


def answered(message: Message) -> OutcomeText:
    """An answer, which the run takes in a moment."""
    return OutcomeText("answered", f"answered: message {message.id} is handed to the run")


def steered(message: Message) -> OutcomeText:
    """A steer. Whether the run takes it is for its runner to decide."""
    return OutcomeText("sent", f"message {message.id} is handed to the run if that takes it; else it waits")


def paused(acted: Acted) -> OutcomeText:
    """A pause."""
    lane = acted.lane
    if lane.paused is None:
        return OutcomeText("not paused", "its pause has already ended", grave=True)
    goes_on = "; its run continues" if lane.run_id is not None else ""
    return OutcomeText("paused", f"paused until {_end(lane.paused)}{goes_on}")


def _end(pause: Pause | None) -> str:
    return "resumed" if pause is None or pause.until is None else clock_time(pause.until)


def resumed(acted: Acted) -> OutcomeText:
    """The end of a pause. The lane may still be paused by another one, such as that of a glob."""
    pause = acted.lane.paused
    if pause is not None:
        ends = "" if pause.match is None else f": `{resume_command(pause.match)}` ends that"
        return OutcomeText("still paused", f"still paused ({pause.reason}){ends}", grave=True)
    word = "resumed" if acted.done else "not paused"
    return OutcomeText(word, word)


def all_paused(acted: GlobActed) -> OutcomeText:
    """A pause of all lanes, or of a glob."""
    now = f" ({counted(acted.lanes, 'lane')} now)" if acted.lanes else ""
    text = f"paused until {_end(acted.paused)}, lanes to come included{now}"
    return OutcomeText("paused", f"{all_lanes(acted.match)}: {text}")


def all_resumed(acted: GlobActed) -> OutcomeText:
    """The end of a pause of all lanes, or of a glob; lanes may still be paused by others."""
    word = "resumed" if acted.done else "nothing ended" if acted.lanes else "not paused"
    left = f"; {counted(acted.lanes, 'lane')} still paused (`lanes list paused:yes`)" if acted.lanes else ""
    return OutcomeText(word, f"{all_lanes(acted.match)}: {word}{left}", grave=bool(acted.lanes))


def begun(acted: Acted) -> OutcomeText:
    """A new conversation."""
    del acted
    return OutcomeText("begun", "a new conversation begins with the next message")


def seen(acted: Acted) -> OutcomeText:
    """An acknowledged lane."""
    return OutcomeText("seen", str(acted.lane.state))


def provider_reset(done: ProviderResetDone) -> OutcomeText:
    """The reset of a provider."""
    name, woken = done.provider.name, done.woken
    starts = f"; {counted(woken, 'message')} that waited for it may start now" if woken else ""
    if not done.done and not woken:
        return OutcomeText("well", f"provider {name} was already well")
    return OutcomeText("reset", f"provider {name} is asked again{starts}")
