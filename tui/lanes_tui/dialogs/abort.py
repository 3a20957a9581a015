"""Before an abort: which lane, what it does just now, and the epoch that the abort is bound to."""

from textual.content import Content

from lanes.records import Lane
from lanes.text.spans import span
from lanes_tui.dialogs.question import DialogChoice, Question
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt


class AbortDialog(Question[bool]):
    """Asks whether to abort what one lane runs at one epoch; True: yes. ``force``: without a grace."""

    def __init__(self, lane: Lane, sight: ViewedAt, *, force: bool = False) -> None:
        self.key, self.epoch = lane.key, lane.epoch
        self._force = force
        what = "this run" if lane.run_id is not None else "the head of this lane"
        super().__init__(
            f"Abort {what} by force?" if force else f"Abort {what}?",
            self._about(lane, sight),
            [DialogChoice(False, "Cancel"), DialogChoice(True, "Force" if force else "Abort", "yes", grave=True)],
            leave=False,
        )

    def _about(self, lane: Lane, sight: ViewedAt) -> list[Content]:
        lines = _described(lane, sight)
        if self._force and lane.run_id is not None:
            lines.append(
                text.line(("The lane is taken from its owner at once, with no grace to stop the run.", "warn"))
            )
        return lines

    def seen(self, lane: Lane, sight: ViewedAt) -> None:
        """The lane as it is by now: it may have moved on while the question stands."""
        if lane.epoch == self.epoch:
            self.tell(self._about(lane, sight))
        else:
            moved = f"It has moved on to epoch {lane.epoch}; an abort of epoch {self.epoch} would leave it alone."
            self.tell([text.line((self.key, "strong")), text.line((moved, "warn"))])


def _described(lane: Lane, sight: ViewedAt) -> list[Content]:
    look = words.look_of(lane, sight.wall)
    state: list[text.Part] = [(f"{look.symbol} {look.word}", look.tone)]
    if lane.held_ms is not None:
        state.append(f" for {span(sight.age(lane.held_ms))}")
    lines = [text.line((lane.key, "strong")), text.line(*state, (f", epoch {lane.epoch}", ""))]
    if lane.run_id is not None:
        lines.append(_holder(lane, sight))
    if lane.queued:
        kept = "waits and is kept" if lane.queued == 1 else "wait and are kept"
        lines.append(text.line((f"{words.counted(lane.queued, 'message')} {kept}.", "muted")))
    return lines


def _holder(lane: Lane, sight: ViewedAt) -> Content:
    owner = lane.owner
    if owner is None:
        return text.line(("held by nobody: its owner has ended", "bad"))
    who = f"held by {owner.host}:{owner.pid} (owner {owner.id})"
    silent = lane.heartbeat_age_ms
    beat = "no heartbeat known" if silent is None else f"last heartbeat {span(sight.age(silent))} ago"
    if owner.alive:
        return text.line((f"{who}, {beat}", "muted"))
    return text.line((f"{who}, dead or silent, {beat}", "bad"))
