"""An operator's night, counted in key presses: from the shell prompt to the one wedged lane among many freed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lanes.host.identity import identity_of
from lanes_storage.clock import system_clock
from tests.kit.crowd import MINUTE, crowd, hold
from tests.kit.processes import House, eventually
from tests.kit.stage import TERMS, Stage
from tests.tui.terminal import terminal

#: Few enough for a test; what is looked for is found by the same keys among 100,000.
LANES = 4_000
WEDGED = "agent:07:feishu:group:oc_wedged"
MOST_KEYS = 2


@pytest.fixture
def wedged(made: House) -> Iterator[House]:
    """Many lanes, and one that is held for hours by a process that is frozen, with messages waiting behind it."""
    holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder.send_signal(signal.SIGSTOP)
    stage = Stage(made.database)
    try:
        owner = stage.owner(identity_of(holder.pid))
        began = system_clock().later(-180 * MINUTE)
        stage.store.write(lambda tx: hold(tx, WEDGED, owner, began, TERMS))
        crowd(made.database, LANES)
        stage.send(WEDGED, "are you there?", "hello?")
        yield made
    finally:
        stage.close()
        holder.kill()
        holder.communicate()


def test_the_wedged_lane_is_freed_in_two_keys(wedged: House) -> None:
    """It has been silent for longest, so it is the first. Force, yes."""
    keys = ["A", "y"]
    with terminal(wedged.database, (80, 24)) as opened:
        opened.shows("▶ running", "sort silent", "3h0", "oc_wedged", "silent ")  # minutes may pass before it is open
        opened.press(keys[0])
        opened.shows("Abort this run by force?", WEDGED)
        opened.press(keys[1])
        # not by the screen: the question that was open says "by force" as well
        freed = f"SELECT count(*) FROM lanes WHERE state = 'aborted' AND key = '{WEDGED}'"
        eventually(lambda: wedged.count(freed), "the lane to be free")
        opened.press("q")
        assert opened.ends() == 0
    assert len(keys) <= MOST_KEYS
    lane = json.loads(wedged.lanes("show", WEDGED, "--json").out)
    assert lane["state"] == "aborted"
    assert lane["queued"] == 2, "what waits is kept"
