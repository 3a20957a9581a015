"""The Vercel AI SDK as a client of a gateway (docs/providers.md), by ``tests/live/ai_sdk.mjs``."""

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

SCRIPT = Path(__file__).parents[1] / "ai_sdk.mjs"


def run(folder: Path, say: Callable[[str], None]) -> Table:
    """Ask through each of its packages. Raises Unavailable."""
    install(folder, "ai-sdk", PINNED / "sdk")
    script = shutil.copy(SCRIPT, folder / "ai-sdk")  # beside what it imports
    with tempfile.TemporaryDirectory(dir=folder) as place, house(Path(place)) as made:
        asking = ["node", str(script), three_dialects(made).url]
        told = subprocess.run(asking, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    say(told.stderr)
    return Table(("client", "version", "route", *FEATURES), json.loads(told.stdout))


SUBJECT = Subject("ai-sdk", DOCUMENT, run)
