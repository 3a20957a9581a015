"""F129: garbage is looked for late only by commands that end before."""

import subprocess
import sys

SCRIPT = """
import gc
usual = gc.get_threshold()
from lanes.commands import COLLECT_AFTER, hurry
hurry()
kept = [[] for _ in range(COLLECT_AFTER // 2)]
print(gc.get_threshold()[0], end=" ")
kept += [[] for _ in range(COLLECT_AFTER)]
print(gc.get_threshold() == usual, gc.get_freeze_count() > COLLECT_AFTER // 2)
"""


def test_F129_a_command_that_stays_collects_as_usual() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["100000", "True", "True"]
