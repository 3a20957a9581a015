"""A process that is killed within a door leaves all of it or nothing, and who calls the door again completes it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.kit.processes import PATIENCE_S
from tests.proof.killed_doors import SCENARIOS

ROOT = Path(__file__).parents[2]


def test_F279_a_door_is_done_or_not_done_at_whichever_statement_its_process_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.proof.killed_doors", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["scenario"] for each in found] == [*SCENARIOS]
    wrong = [each for each in found if each["halves"] or each["lost"] or not each["changes"] or not each["kills"]]
    assert wrong == []
