"""F129: no command changes when this process looks for garbage: several stay for days."""

import subprocess
import sys

SCRIPT = """
import gc
usual = gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()
from lanes.commands.common.entry import run
assert run(["--version"]) == 0
print((gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()) == usual)
"""


def test_F129_a_command_collects_as_usual() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "True"
