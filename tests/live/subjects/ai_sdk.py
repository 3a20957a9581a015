"""Clients for JavaScript before a gateway (docs/providers.md), by the programs in ``tests/live/javascript``: those of
OpenAI and Anthropic, and the Vercel AI SDK."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.clients.__main__ import DOCUMENT, three_dialects
from tests.clients.asking.scene import FEATURES
from tests.kit.processes import house
from tests.live.npm import PINNED, install
from tests.live.subject import Subject, Table

PROGRAMS = Path(__file__).parents[1] / "javascript"
#: Those of them that ask, in the order of the table.
ASKING = ("makers.mjs", "ai_sdk.mjs")


def run(folder: Path, say: Callable[[str], None]) -> Table:
    """Ask by each. Raises Unavailable."""
    install(folder, "ai-sdk", PINNED / "sdk")
    rows = []
    with tempfile.TemporaryDirectory(dir=folder) as place, house(Path(place)) as made:
        shutil.copytree(PROGRAMS, folder / "ai-sdk", dirs_exist_ok=True)  # beside what they import
        url = three_dialects(made).url
        for name in ASKING:
            asking = ["node", str(folder / "ai-sdk" / name), url]
            told = subprocess.run(asking, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            say(told.stderr)
            rows += json.loads(told.stdout)
    return Table(("client", "version", "route", *FEATURES), rows)


SUBJECT = Subject("ai-sdk", DOCUMENT, run)
