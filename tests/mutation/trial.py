"""One guard, tried: a copy of the tree without it, and the tests that should notice."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.mutation.guards import Guard
from tests.mutation.witness import NOTES

ROOT = Path(__file__).parents[2]
#: The store's own tests must miss each of its guards; they need no loop, no thread and no patience.
ROOMS = ("tests/storage",)
PARTS = ("lanes", "storage", "tui", "tests", "pyproject.toml")
#: What a test that a guard is missed by may take; it then counts as noticed: something hangs.
PATIENCE_S = 600
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class Tree:
    """A copy of the tree in which guards can be taken away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)

    def without(self, guard: Guard, tests: Iterable[str]) -> str | None:
        """The test that misses a guard, None if none does."""
        path = self.folder / guard.file
        kept = path.read_bytes()
        try:
            guard.apply(self.folder)
            return self.first_failure(tests)
        finally:
            path.write_bytes(kept)

    def first_failure(self, tests: Iterable[str]) -> str | None:
        """Run tests in this order until one fails; which one that was."""
        chosen = self.folder / "chosen-tests.txt"
        chosen.write_text("\n".join(tests), encoding="utf-8")
        try:
            done = self._pytest("-x", f"@{chosen}")
        except subprocess.TimeoutExpired:
            return "a test that never ended"
        if done.returncode == 0:
            return None
        found = FAILED.search(done.stdout)
        assert found is not None, f"pytest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return found[1]

    def witness(self, rooms: Iterable[str] = ROOMS) -> dict[str, list[str]]:
        """Which statements each test of some rooms runs. All of them must pass."""
        notes = self.folder / "notes.json"
        done = self._pytest(*rooms, notes=notes)
        assert done.returncode == 0, f"tests fail with every guard in its place:\n{done.stdout}"
        seen: dict[str, list[str]] = json.loads(notes.read_text(encoding="utf-8"))
        return seen

    def _pytest(self, *arguments: str, notes: Path | None = None) -> "subprocess.CompletedProcess[str]":
        paths = [str(self.folder / part) for part in ("", "storage", "tui")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "tests.mutation.witness",
                *arguments,
            ],
            cwd=self.folder,
            env=environment | ({NOTES: str(notes)} if notes else {}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


def likely_first(guard: Guard, seen: dict[str, list[str]]) -> list[str]:
    """The tests that run what a guard is in, those that run little else first; what only plans it comes last."""
    touching = [test for test, names in seen.items() if guard.subject in names]
    return sorted(touching, key=lambda test: ("test_plans" in test, len(seen[test])))
