"""Which Pythons ``make test-all`` finds."""

import sys
from pathlib import Path

import pytest

from tests import pythons


def program(path: Path, said: str) -> Path:
    """A program that says that, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{said}\n")
    path.chmod(0o755)
    return path


def test_the_newest_of_each_line_on_the_path_and_of_pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path, root = tmp_path / "bin", tmp_path / "pyenv"
    older = program(on_path / "python3.98", "echo 3 98 1 final")
    newer = program(root / "versions" / "3.98.2" / "bin" / "python", "echo 3 98 2 final")
    only = program(on_path / "python3.99", "echo 3 99 0 final")
    program(on_path / "python3.97", "exit 127")  # a name without a program behind it
    program(on_path / "python3.96", "echo 3 96 0 candidate")
    program(on_path / "python3.99-config", "echo 3 99 9 final")
    program(root / "versions" / "3.9.1" / "bin" / "python", "echo 3 9 1 final")
    monkeypatch.setenv("PATH", str(on_path))
    monkeypatch.setenv("PYENV_ROOT", str(root))
    found = pythons.found()
    assert [(python.line, python.program) for python in found if python.version > (3, 90, 0)] == [
        ("3.98", newer),
        ("3.99", only),
    ]
    assert older not in [python.program for python in found]
    assert "3.9" not in [python.line for python in found]
    if sys.version_info.releaselevel == "final":
        assert sys.version_info[:3] in [python.version for python in found], "the one that runs this"


def test_what_does_not_run_is_none(tmp_path: Path) -> None:
    assert pythons.version_of(tmp_path / "python3.11") is None
    assert pythons.version_of(program(tmp_path / "python3.12", "echo no Python at all")) is None
