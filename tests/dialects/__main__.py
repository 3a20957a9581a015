"""``python -m tests.dialects``: records what became of the cases that say nothing of it yet, and writes the tables of
fields into docs/providers.md."""

import asyncio
import json
import tempfile
from pathlib import Path

from tests.dialects.fields import PAGE, written
from tests.dialects.golden import CASES, case, cases, told

for name in cases():
    given = case(name)
    if "whole" in given:
        continue
    with tempfile.TemporaryDirectory() as folder:
        made = given | asyncio.run(told(given, Path(folder)))
    lines = json.dumps(made, indent=1, ensure_ascii=False)
    (CASES / f"{name}.json").write_text(lines + "\n", encoding="utf-8")
PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
