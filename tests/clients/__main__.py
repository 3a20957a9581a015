"""``python -m tests.clients PYTHON``: the clients that PYTHON has ask a real gateway, whose runners ask the simulated
provider in one dialect each."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kit.processes import house

ROW = """
[[runner]]
name = "{name}"
kind = "provider"
providers = ["{name}"]
[[provider]]
name = "{name}"
dialect = "{name}"
base_url = "{url}"
model = "sim-ok"
"""


def main(python: str) -> int:
    """Returns what the clients exit with."""
    with tempfile.TemporaryDirectory() as folder, house(Path(folder)) as made:
        url = made.simulator("--tempo", "100").url
        made.config.write_text("".join(ROW.format(name=name, url=url) for name in ("chat", "responses", "messages")))
        gateway = made.gateway()
        asking = [python, str(Path(__file__).with_name("asking.py")), gateway.url]
        return subprocess.run(asking, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
