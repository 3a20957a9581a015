"""What the documents show is true: their programs run, their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.modules import ROOT
from tests.kit.processes import PATIENCE_S

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "examples/bot/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def programs() -> list[tuple[str, str]]:
    return [
        (f"{document.name}-{number}", program)
        for document in DOCUMENTS
        for number, program in enumerate(PROGRAM.findall(document.read_text(encoding="utf-8")), 1)
    ]


@pytest.mark.parametrize("program", [p for _, p in programs()], ids=[name for name, _ in programs()])
def test_every_program_in_the_documents_runs(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_there_are_programs() -> None:
    assert len(programs()) >= 3


@pytest.mark.parametrize("document", DOCUMENTS, ids=[d.name for d in DOCUMENTS])
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.name} points to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=[d.name for d in DOCUMENTS])
def test_what_can_be_copied_can_be_pasted(document: Path) -> None:
    assert not re.search(r"^[$>] lanes", document.read_text(encoding="utf-8"), re.MULTILINE), (
        "no prompts before commands"
    )
