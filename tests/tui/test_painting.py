"""What changes on the screen is sent without the rest of its line, and paints the same."""

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from lanes_tui.painting import NarrowUpdate
from tests.kit.stage import Stage
from tests.tui.terminal import terminal
from tests.tui.test_calm import be_calm

RED = Style(color="red")
#: Two lines: the first of two parts that lie side by side, the second with a part that is not painted.
CHOPS: list[dict[int, Strip | None]] = [
    {0: Strip([Segment("running  ", RED), Segment("agent:微信:7")]), 21: Strip([Segment("5m"), Segment(" 12", RED)])},
    {0: Strip([Segment("the second line")]), 15: None},
]
ENDS = [[21, 26], [15, 26]]


@pytest.mark.parametrize("spans", [[(0, 9, 14)], [(0, 21, 23), (1, 4, 10)], [(0, 2, 24)], [(0, 0, 26), (1, 0, 26)]])
def test_less_is_sent_and_the_same_is_seen(spans: list[tuple[int, int, int]]) -> None:
    console = Console(width=26, force_terminal=True, color_system="truecolor")
    screens, sent = [], []
    for kind in (ChopsUpdate, NarrowUpdate):
        screen = pyte.Screen(26, 2)
        text = kind(CHOPS, spans, ENDS).render_segments(console)
        pyte.Stream(screen).feed(text)
        screens.append([[screen.buffer[y][x] for x in range(x1, x2)] for y, x1, x2 in spans])
        sent.append(len(text))
    assert screens[1] == screens[0]
    assert sent[1] <= sent[0]


def test_a_cell_that_changes_is_sent_without_the_key_of_its_lane(stage: Stage) -> None:
    stage.hold("session:one", stage.owner(stale_after_ms=86_400_000), "waits")
    with terminal(stage.path) as opened:
        opened.shows("session:one", "LAST EVENTS")
        opened.press("v")
        opened.hides("LAST EVENTS")
        be_calm(opened)  # the list has moved up by then
        before = len(opened.sent)
        stage.send("session:one", *["more"] * 11)
        opened.until(lambda: any("session:one" in line and " 12 " in line for line in opened.lines), "the queue")
        assert b"session:one" not in opened.sent[before:]


def test_F964_a_question_is_never_seen_without_its_words(stage: Stage) -> None:
    """For a moment there was nothing above the buttons, and a key answers."""
    stage.hold("session:one", stage.owner(stale_after_ms=86_400_000))
    with terminal(stage.path, (80, 24)) as opened:
        opened.shows("session:one", "LAST EVENTS")
        be_calm(opened)
        opened.press("a")
        opened.until(lambda: "Cancel" in opened.text, "the buttons")
        assert "Abort this run?" in opened.text
