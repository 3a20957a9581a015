"""A second in which nothing changes paints the time and nothing else."""

import re

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
        be_calm(opened)


def be_calm(opened: Terminal) -> None:
    """Wait for three seconds in a row in which only the time is painted. On a busy machine it may be seconds until a
    table has its new size."""
    calm = 0
    for _ in range(60):
        painted = next_second(opened)
        calm = calm + 1 if b"session:" not in painted and len(painted) < 1_000 else 0
        if calm == 3:
            return
    raise AssertionError(f"three calm seconds never follow each other: {painted!r}")


def next_second(opened: Terminal) -> bytes:
    """Everything that is painted up to the next second."""
    before, sent = TIME.findall(opened.text), len(opened.sent)
    opened.until(lambda: TIME.findall(opened.text) != before, "the next second")
    return opened.sent[sent:]
