"""The shared state of the main screen: the source, the selection, the marks, the last snapshot."""

from collections.abc import Sequence

from lanes.records import GlobPause, Lane
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.settings import Settings
from lanes_tui.display.views import Views
from lanes_tui.lanes.follow import Picture, SnapshotReader
from lanes_tui.screens.guarded import Guarded
from lanes_tui.sources.marks import MarkedLane, Marks
from lanes_tui.sources.polling import Rhythm
from lanes_tui.sources.source import Source
from lanes_tui.tables.lane_table import LaneList


class Board(Guarded):
    """The state of the main screen. What can be done with it is in the classes that build on it."""

    def __init__(self, source: Source, settings: Settings, rhythm: Rhythm, views: Views) -> None:
        super().__init__(source)
        self.views = views
        self.settings = settings
        self.rhythm = rhythm
        self.marks = Marks()
        self.typed = ""  # the filter, without the words that are not understood
        self.problem: str | None = None  # why what stands in the filter line now is not understood
        self.picture: Picture | None = None
        self.table = LaneList(self.marks, id="lanes")
        self.follower: SnapshotReader

    @property
    def pauses(self) -> Sequence[GlobPause]:
        return () if self.picture is None else self.picture.status.record.pauses

    @property
    def lane(self) -> Lane | None:
        """The lane under the cursor, as it is on the screen."""
        return self.table.lane

    @property
    def sight(self) -> ViewedAt:
        """The sight of the last picture just now."""
        now = self.source.now()
        return ViewedAt.of(now if self.picture is None else self.picture.window.at, now)

    @property
    def targets(self) -> list[MarkedLane]:
        """The targets of an action: the marked lanes, or the one under the cursor if none is marked."""
        if len(self.marks):
            return self.marks.all
        return [] if self.lane is None else [MarkedLane.of(self.lane)]

    def take_filter(self, typed: str) -> None:
        """Show the lanes of this filter, as far as it is understood."""
        raise NotImplementedError

    def tell_bar(self) -> None:
        """Bring the filter line up to date."""
        raise NotImplementedError

    def tell_header(self) -> None:
        """Bring the header up to date."""
        raise NotImplementedError
