"""A house for each scenario: a folder, a simulated provider, a configuration with short clocks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import House, house

#: Limits that no machine is slow enough to meet by itself; a test that waits for one shortens it.
CONFIG = """
[clocks]
heartbeat_interval = "200ms"
stale_after = "{stale_after}"
reconcile_interval = "200ms"
run_timeout = "{run_timeout}"
stall_timeout = "{stall_timeout}"
abort_grace = "{abort_grace}"
drain_timeout = "2s"

[[runner]]
name = "chat"
kind = "provider"
providers = ["first", "second"]

[[runner]]
name = "blocking"
kind = "python"
target = "scenario_runners:block"

[[provider]]
name = "first"
dialect = "chat"
base_url = "{url}/v1"
model = "sim-echo"
trace = true
first_byte_timeout = "{first_byte_timeout}"
idle_timeout = "{idle_timeout}"

[[provider]]
name = "second"
dialect = "chat"
base_url = "{url}/v1"
model = "sim-echo"
trace = true
first_byte_timeout = "{first_byte_timeout}"
idle_timeout = "{idle_timeout}"

[[policy]]
match = "blocking:*"
runner = "blocking"
"""

RUNNERS = '''
"""Runners that behave badly."""

import time
from pathlib import Path


async def block(run):
    """Block the event loop until the file that the text names is there, then reply all the same."""
    while not Path(run.text).exists():
        time.sleep(0.02)
    return "the late reply"
'''


def configure(made: House, url: str, **clocks: str) -> None:
    """Write the configuration and the runners that it names."""
    values = {
        "run_timeout": "15m",
        "stall_timeout": "14m",
        "first_byte_timeout": "13m",
        "idle_timeout": "13m",
        "abort_grace": "10m",
        "stale_after": "1m",
    } | clocks
    made.config.write_text(CONFIG.format(url=url, **values))
    (made.folder / "scenario_runners.py").write_text(RUNNERS)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as one:
        yield one
