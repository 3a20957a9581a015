"""What the gateways of a campaign run: a provider's echo, and two runners that harm their own process."""

from tests.kit.processes import House

CONFIG = """
[clocks]
heartbeat_interval = "200ms"
stale_after = "20s"
reconcile_interval = "200ms"
drain_timeout = "2s"

[[runner]]
name = "chat"
kind = "provider"
providers = ["only"]

[[runner]]
name = "nosy"
kind = "python"
target = "campaign_runners:nosy"

[[runner]]
name = "loud"
kind = "python"
target = "campaign_runners:loud"

[[provider]]
name = "only"
dialect = "chat"
base_url = "{url}/v1"
model = "sim-echo"
trace = true

[[policy]]
match = "odd:nosy:*"
runner = "nosy"
on_interrupt = "requeue"

[[policy]]
match = "odd:loud:*"
runner = "loud"
"""
RUNNERS = '''
"""Runners that harm the process that they run in."""

import asyncio
from pathlib import Path

HERE = Path(__file__).parent


async def nosy(run):
    """Open and close every file of the database until the file that the text names is there."""
    while not (HERE / run.text).exists():
        for path in HERE.glob("lanes.db*"):
            path.open("rb").close()
        await asyncio.sleep(0.005)
    return run.text


async def loud(run):
    """Fail with more words than a pipe holds."""
    raise RuntimeError("words " * 2_000)
'''


def configure(made: House, url: str) -> None:
    """Write the configuration and the runners that it names."""
    made.config.write_text(CONFIG.format(url=url))
    (made.folder / "campaign_runners.py").write_text(RUNNERS)
