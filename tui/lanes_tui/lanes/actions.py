"""The actions of the main screen: on the marked lanes, or on the one under the cursor."""

from typing import ClassVar

from textual import work
from textual.binding import BindingType

from lanes_storage.records import How, LaneFilter
from lanes_tui.actions.acting import DEEDS, LaneAction
from lanes_tui.actions.keys import bind
from lanes_tui.dialogs.abort import AbortDialog
from lanes_tui.dialogs.bulk import BulkDialog
from lanes_tui.dialogs.results import Results
from lanes_tui.display import text
from lanes_tui.display.words import is_paused
from lanes_tui.lanes.board import Board
from lanes_tui.sources.marks import MarkedLane
from lanes_tui.sources.source import Lost


class Doing(Board):
    """Every action is bound to the epoch that was on the screen: a lane that has moved on is left alone."""

    KEYS: ClassVar[list[BindingType]] = [
        bind("abort", "do('abort')", show=True),
        bind("force", "do('force')", show=True),
        bind("pause", "pause", show=True),
        bind("retry", "do('retry')"),
        bind("ack", "do('ack')"),
    ]

    def action_pause(self) -> None:
        """Pause what is chosen; resume it where all of it is paused."""
        self._pause()

    @work
    async def _pause(self) -> None:
        targets, wall = self.targets, self.source.now().wall
        if len(self.marks):
            keys = tuple(mark.key for mark in targets)
            try:
                paused = await self.source.total(LaneFilter(keys=keys, at=wall).where("paused", How.IS, 1)) == len(keys)
            except Lost:
                paused = False
        else:
            paused = self.lane is not None and is_paused(self.lane.paused, wall)
        self.action_do("resume" if paused else "pause")

    def action_do(self, name: str) -> None:
        """Do it: at once to one lane unless it is grave, else after a question."""
        deed, targets = DEEDS[name], self.targets
        if not targets or not self.may_act():
            return
        if not len(self.marks) and not self.settings.follow:
            self.table.leave_lane()
        if len(self.marks):
            self._ask_for_many(deed, targets)
        elif deed.grave:
            self._ask_for_one(deed)
        else:
            self._do_one(deed, targets[0])

    def _ask_for_one(self, deed: LaneAction) -> None:
        lane = self.lane
        assert lane is not None
        mark = MarkedLane.of(lane)

        def answered(yes: bool | None) -> None:
            if yes and self.may_act():
                self._do_one(deed, mark)

        self.app.push_screen(AbortDialog(lane, self.sight, force=deed.name == "force"), answered)

    @work
    async def _do_one(self, deed: LaneAction, mark: MarkedLane) -> None:
        told = await self.acting.do(deed, mark)
        self.say(text.line(told.key, ": ", told.sentence), grave=told.grave)
        self.follower.wake()

    @work
    async def _ask_for_many(self, deed: LaneAction, marks: list[MarkedLane]) -> None:
        keys = tuple(mark.key for mark in marks)
        try:
            standing = await self.source.marks(LaneFilter(keys=keys), len(keys))
        except Lost:
            standing = []
        hidden = 0 if self.picture is None else self.picture.hidden
        if await self.app.push_screen_wait(BulkDialog(deed, marks, standing, hidden)) and self.may_act():
            self._do_many(deed, marks)

    @work
    async def _do_many(self, deed: LaneAction, marks: list[MarkedLane]) -> None:
        results = Results(deed, len(marks))
        self.app.push_screen(results)
        self.marks.drop(mark.key for mark in marks)
        self.table.show_marks()
        await self.acting.do_all(deed, marks, results.tell)
        self.follower.wake()

    def tell_dialog(self) -> None:
        """Let an open question about one lane see what became of it meanwhile."""
        dialog = self.app.screen
        if isinstance(dialog, AbortDialog) and self.picture is not None:
            window = self.picture.window
            place = window.place_of(dialog.key)
            lane = None if place is None else window.lane_at(place)
            if lane is not None:
                dialog.seen(lane, self.sight)
