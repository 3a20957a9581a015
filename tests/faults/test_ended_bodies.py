"""F107: replies that arrived while the disk was full are there when it has room again, however long that took."""

import resource
import time

import pytest

from tests.faults.test_files import ready
from tests.faults.test_suspended import PATIENT
from tests.kit.processes import House, eventually
from tests.scenarios.conftest import configure

RUNS = 6
#: The timeouts of the providers, which nobody asks, have to fit below the limits of the runs.
QUICK = {"first_byte_timeout": "1s", "idle_timeout": "1s"}
#: Its limits are met long before there is room again.
PATIENTLY = """
[[runner]]
name = "patient"
kind = "python"
target = "scenario_runners:wait"

[[policy]]
match = "*"
runner = "patient"
"""


@pytest.mark.disk
def test_F107_a_disk_that_is_full_for_longer_than_every_limit_loses_no_reply(made: House) -> None:
    configure(made, "http://127.0.0.1:9", run_timeout="10s", stall_timeout="8s", abort_grace="300ms", **QUICK)
    made.config.write_text(made.config.read_text() + PATIENTLY)
    runners = made.folder / "scenario_runners.py"
    runners.write_text(runners.read_text() + PATIENT)
    gateway = made.gateway()
    made.send_many([(f"lane:{number}", "go") for number in range(RUNS)])
    eventually(lambda: made.count("SELECT count(*) FROM runs") == RUNS, "the runs")
    unlimited = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    (made.folder / "go").touch()
    eventually(lambda: not ready(gateway.url), "it to notice, for it can log nothing either")
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 11, "all of their limits to pass")
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, unlimited)
    eventually(lambda: made.count("SELECT count(*) FROM messages WHERE ended_at IS NOT NULL") == RUNS, "their ends")
    assert made.count("SELECT count(*) FROM messages WHERE state = 'done' AND reply = 'found go'") == RUNS
    assert "lost its lane" not in gateway.said()
    assert not made.history(settled=True).problems
