"""A second in which nothing changes paints the time and nothing else."""

import re
from itertools import pairwise

from tests.kit.stage import Stage
from tests.tui.terminal import Terminal, terminal

TIME = re.compile(r"as of ([0-9:]{8})Z")


def test_only_the_time_is_painted_while_nothing_changes(stage: Stage) -> None:
    owner = stage.owner(stale_after_ms=86_400_000)
    for number in range(30):
        stage.complete(stage.hold(f"session:{number:02}", owner))
    with terminal(stage.path) as opened:
        opened.shows("session:29", "LAST EVENTS")
        opened.press("v")  # the detail tells of seconds
        opened.hides("LAST EVENTS")
        sent = [next_second(opened) for _ in range(4)]
        painted = [after[len(before) :] for before, after in pairwise(sent)]
    assert all(b"session:" not in each for each in painted)
    assert max(map(len, painted)) < 1_000


def next_second(opened: Terminal) -> bytes:
    """Everything that was painted up to the next second."""
    before = TIME.findall(opened.text)
    opened.until(lambda: TIME.findall(opened.text) != before, "the next second")
    return opened.sent
