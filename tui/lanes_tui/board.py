"""What the parts of the main screen share: the source, what was chosen, the marks, the last picture."""

from typing import ClassVar

from textual.content import Content
from textual.screen import Screen

from lanes_tui import text
from lanes_tui.acting import Acting
from lanes_tui.columns import Sight
from lanes_tui.follow import Follower, Picture
from lanes_tui.looking import Rhythm
from lanes_tui.marks import Marks
from lanes_tui.records import Lane, Mark
from lanes_tui.settings import Settings
from lanes_tui.source import Source
from lanes_tui.widgets.header import Freshness
from lanes_tui.widgets.lane_table import LaneTable


class Board(Screen[None]):
    """The state of the main screen. What can be done with it is in the classes that build on it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)

    def __init__(self, source: Source, settings: Settings, rhythm: Rhythm) -> None:
        super().__init__()
        self.source = source
        self.settings = settings
        self.rhythm = rhythm
        self.marks = Marks()
        self.acting = Acting(source)
        self.typed = ""  # the filter
        self.freshness = Freshness()
        self.picture: Picture | None = None
        self.table = LaneTable(self.marks, id="lanes")
        self.follower: Follower

    @property
    def lane(self) -> Lane | None:
        """The lane under the cursor, as it is on the screen."""
        return self.table.lane

    @property
    def sight(self) -> Sight:
        """The sight of the last picture just now."""
        now = self.source.now()
        return Sight.of(now if self.picture is None else self.picture.window.at, now)

    @property
    def targets(self) -> list[Mark]:
        """What an action is for: the marked lanes, or the one under the cursor where none is marked."""
        if len(self.marks):
            return self.marks.all
        return [] if self.lane is None else [Mark.of(self.lane)]

    def may_act(self) -> bool:
        """Whether an action may begin; says why not."""
        if self.source.read_only:
            self.say(text.line("this dashboard is read-only"), grave=True)
        elif self.freshness.lost is not None:
            self.say(text.line("the source cannot be read: nothing is acted on"), grave=True)
        else:
            return True
        return False

    def say(self, said: Content, *, grave: bool = False) -> None:
        """A word that goes away by itself."""
        # Cleaned by `line`; markup off, so that brackets in a key stay brackets.
        self.notify(said.plain, severity="warning" if grave else "information", markup=False, timeout=6)

    def tell_bar(self) -> None:
        """Bring the filter line up to date."""
        raise NotImplementedError

    def tell_header(self) -> None:
        """Bring the header up to date."""
        raise NotImplementedError
