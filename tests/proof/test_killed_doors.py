"""A process that is killed within a door leaves all of it or nothing, and who calls the door again completes it."""

import json
from pathlib import Path

from tests.kit.forks import run_forked
from tests.proof.killed_doors import SCENARIOS


def test_F279_a_door_is_done_or_not_done_at_whichever_statement_its_process_dies(tmp_path: Path) -> None:
    done = run_forked(["-m", "tests.proof.killed_doors", str(tmp_path)])
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["scenario"] for each in found] == [*SCENARIOS]
    wrong = [each for each in found if each["halves"] or each["lost"] or not each["changes"] or not each["kills"]]
    assert wrong == []
