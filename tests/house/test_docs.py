"""What the documents show is true: their programs run, their links lead somewhere, their failures have tests."""

import os
import re
from pathlib import Path

import pytest

from tests.catalogue import catalogue, ids_of
from tests.house.modules import ROOT
from tests.kit.forks import run_elsewhere

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "examples/bot/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
STRICTLY = "import warnings\nwarnings.simplefilter('error')\n"
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def programs() -> list[tuple[str, str]]:
    return [
        (f"{document.name}-{number}", program)
        for document in DOCUMENTS
        for number, program in enumerate(PROGRAM.findall(document.read_text(encoding="utf-8")), 1)
    ]


@pytest.mark.parametrize("program", [p for _, p in programs()], ids=[name for name, _ in programs()])
def test_every_program_in_the_documents_runs(program: str, tmp_path: Path) -> None:
    done = run_elsewhere(STRICTLY + program, folder=tmp_path, env=os.environ | {"HOME": str(tmp_path)})
    assert done.stderr == ""


def test_there_are_programs() -> None:
    assert len(programs()) >= 3


def test_every_link_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for target in LINK.findall(document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} points to {target}"


def test_what_can_be_copied_can_be_pasted() -> None:
    """There is no prompt before a command."""
    for document in DOCUMENTS:
        assert not re.search(r"^[$>] lanes", document.read_text(encoding="utf-8"), re.MULTILINE), document.name


def test_every_known_failure_has_a_test_and_every_id_of_a_test_a_row() -> None:
    tests = [name for path in (ROOT / "tests").rglob("test_*.py") for name in TEST.findall(path.read_text("utf-8"))]
    assert {id_ for name in tests for id_ in ids_of(name)} == set(catalogue())
