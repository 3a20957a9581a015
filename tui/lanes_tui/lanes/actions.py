"""The actions of the main screen: on the marked lanes, or on the one under the cursor."""

from collections.abc import Mapping
from typing import Any, ClassVar

from textual.binding import BindingType

from lanes_storage.records import How, LaneFilter
from lanes_tui.actions.acting import ACTIONS
from lanes_tui.actions.keys import bind
from lanes_tui.actions.subjects import ActionSubject, LaneSubject, chosen_by
from lanes_tui.display.words import is_paused
from lanes_tui.lanes.board import Board
from lanes_tui.screens.guarded import CHOOSING
from lanes_tui.sources.source import Lost


class Doing(Board):
    """Every action is bound to the epoch that was on the screen: a lane that has moved on is left alone."""

    KEYS: ClassVar[list[BindingType]] = [
        bind("abort", "do('abort')", show=True),
        bind("force", "do('force')", show=True),
        bind("pause", "pause", show=True),
        bind("retry", "do('retry')"),
        bind("ack", "do('ack')"),
        bind("new conversation", "do('new-conversation')"),
    ]

    def action_pause(self) -> None:
        """Pause what is chosen; resume it where all of it is paused."""
        if not self.marks:
            paused = self.lane is not None and is_paused(self.lane.paused, self.source.now().wall)
            self.action_do("resume" if paused else "pause")
        else:
            self.read_and_ask(self._pause_marked())

    async def _pause_marked(self) -> None:
        keys = tuple(self.marks)
        try:
            chosen = LaneFilter(keys=keys, at=self.source.now().wall).where("paused", How.IS, 1)
            paused = await self.source.total(chosen) == len(keys)
        except Lost:
            paused = False
        self.action_do("resume" if paused else "pause")

    def action_do(self, name: str) -> None:
        """Ask, then do it."""
        marks = self.targets
        lane = None if self.marks else self.lane
        matching = None if self.picture is None else self.picture.window.total
        hidden = 0 if self.picture is None else self.picture.hidden
        self.act(
            LaneSubject(
                ACTIONS[name],
                marks,
                lane=lane,
                sight=self.sight,
                chosen=chosen_by(self.typed, marks, None if hidden else matching),
                hidden=hidden,
            )
        )

    def _begin(self, subject: ActionSubject, how: Mapping[str, Any]) -> None:
        under = isinstance(subject, LaneSubject) and [mark.key for mark in subject.marks] == [self.lane_key]
        if under and not self.settings.follow:
            self.table.leave_lane()
        super()._begin(subject, how)

    def refuses_blindly(self, action: str) -> bool:
        """Also on the first line, where another lane came to stand while the key was on its way."""
        if super().refuses_blindly(action):
            return True
        own = action in CHOOSING or (not self.marks and action.startswith(("do(", "pause")) and action != "pause_all")
        refused = own and not self.table.hold()
        if refused:
            self.say("another lane came under the cursor just now: press it again", grave=True)
        return refused

    def look_again(self) -> None:
        if self.is_open:
            self.table.show_marks()
        super().look_again()
