"""``python -m tests.clients PYTHON``: the clients that PYTHON has ask a real gateway, whose runners ask the simulated
provider in one dialect each. The table goes into docs/providers.md."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients.asking.scene import FEATURES, PROVIDERS
from tests.kit.processes import House, Process, house
from tests.live.subject import Table, write

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "providers.md"
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
#: litellm would fetch its prices with its first word.
ALONE = {"LITELLM_LOCAL_MODEL_COST_MAP": "true"}


def three_dialects(made: House) -> Process:
    """A gateway before a simulated provider, with a runner for each dialect of it, named after the dialect."""
    url = made.simulator("--tempo", "100").url
    made.config.write_text("".join(ROW.format(name=name, url=url) for name in PROVIDERS))
    return made.gateway()


def main(python: str) -> int:
    """Returns 1 if a client was not answered rightly."""
    with tempfile.TemporaryDirectory() as folder, house(Path(folder)) as made:
        results = made.folder / "results.json"
        asking = [python, "-m", "tests.clients.asking", three_dialects(made).url, str(results)]
        subprocess.run(asking, check=True, cwd=ROOT, env=os.environ | ALONE)
        table = Table(("client", "version", "route", *FEATURES), json.loads(results.read_text(encoding="utf-8")))
    write("clients", DOCUMENT, table, by="clients")
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
