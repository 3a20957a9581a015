"""What is shipped is ours alone, typed and whole; what is pinned names no place to get it from."""

import ast
import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

import lanes
from tests.house.modules import ROOT, modules
from tests.kit.tools import needs

REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


def test_every_public_name_is_there() -> None:
    assert lanes.__all__ == sorted(lanes.__all__)
    for name in lanes.__all__:
        assert getattr(lanes, name).__doc__, f"lanes.{name} says nothing about itself"
    homes = {name for names in lanes._HOMES.values() for name in names.split()}
    assert homes == set(lanes.__all__)
    for home in lanes._HOMES:
        import_module(home)


def test_the_version_is_told_once() -> None:
    told = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert told is not None
    assert told[1] == lanes.__version__
    assert f"## {lanes.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("requirements", REQUIREMENTS, ids=lambda path: path.stem)
def test_requirements_are_pinned_with_hashes_and_name_no_place(requirements: Path) -> None:
    text = requirements.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 15
    for entry in entries:
        assert "==" in entry.splitlines()[0]
        assert "--hash=sha256:" in entry


def test_every_file_is_small_enough_to_be_one_thing() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("lanes", "storage", "tui")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long


@needs("git")
def test_nothing_names_a_machine(tmp_path: Path) -> None:
    """No tracked file carries the path of somebody's home or checkout."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout
    if not tracked:
        pytest.skip("not a git checkout")
    homes = re.compile(rb"(/home/[a-z]+/|/Users/[a-z]+/|/root/)")
    wrong = [
        name.decode()
        for name in tracked.split(b"\0")
        if name and (ROOT / name.decode()).is_file() and homes.search((ROOT / name.decode()).read_bytes())
    ]
    assert wrong in ([], [str(Path(__file__).relative_to(ROOT))])


def test_every_name_of_a_package_that_imports_lazily_is_there() -> None:
    lazy = 0
    for package, path in modules().items():
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "lazily":
                lazy += 1
                found, homes = import_module(package), call.args[1]
                table = getattr(found, homes.id) if isinstance(homes, ast.Name) else ast.literal_eval(homes)
                for names in table.values():
                    assert all(hasattr(found, name) for name in names.split()), package
    assert lazy > 5
