"""What is built is whole and ours alone, and runs where nothing else is installed."""

import re
import subprocess
import sys
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import lanes
from tests.house.modules import ROOT
from tests.house.test_docs import programs
from tests.kit.installed import Built, Installed, build
from tests.kit.processes import PATIENCE_S, Process
from tests.kit.tools import missing, needs

PACKAGES = {"lanes": ".", "lanes_storage": "storage", "lanes_tui": "tui"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("bare"), built.wheel)


def names(built: Built) -> set[str]:
    return set(zipfile.ZipFile(built.wheel).namelist())


def test_the_wheel_owns_only_our_packages(built: Built) -> None:
    top = {name.split("/")[0] for name in names(built)}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)


@needs("git")
def test_the_wheel_is_whole(built: Built) -> None:
    """It is made of the source distribution, so that is whole as well."""
    for package, folder in PACKAGES.items():
        place = ROOT / folder
        tracked = subprocess.run(["git", "ls-files", "-z", package], cwd=place, capture_output=True, check=True).stdout
        ours = {name for name in tracked.decode().split("\0") if name and (place / name).is_file()}
        assert f"{package}/py.typed" in ours
        assert ours <= names(built)


def test_the_index_is_told_the_name_and_no_link_that_leads_nowhere(built: Built) -> None:
    (place,) = (name for name in names(built) if name.endswith(".dist-info/METADATA"))
    told = HeaderParser().parsestr(zipfile.ZipFile(built.wheel).read(place).decode())
    assert (told["Name"], told["Version"]) == ("session-lanes", lanes.__version__)
    readme = told.get_payload()
    assert isinstance(readme, str)
    assert "docs/operations.md" in readme
    assert "](docs" not in readme


def test_what_is_installed_runs(installed: Installed) -> None:
    assert installed.run("lanes", "--version") == f"lanes {lanes.__version__}\n"
    assert "KEY" in installed.run("lanes", "abort", "--help")
    assert "--read-only" in installed.run("lanes", "dashboard", "--help"), "by its entry point"
    gateway = Process([str(installed.bin / "lanes"), "up", "--port", "0"], installed.folder, "up")
    try:
        gateway.address()
        assert installed.run("lanes", "send", "agent:main:telegram:42", "hello", "--wait").strip()
        assert "agent:main:telegram:42" in installed.run("lanes", "list", "--json")
        assert gateway.terminate() == 0
    finally:
        gateway.end()


def test_what_the_documents_show_is_typed_for_the_programs_of_others(installed: Installed, tmp_path: Path) -> None:
    """Every program in the documents passes `mypy --strict` where lanes is a package like any other."""
    for name, program in programs():
        (tmp_path / f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed.python, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.soak
@pytest.mark.parametrize("way", ["pip", "uv"])
def test_what_is_installed_with_all_that_it_needs_runs(way: str, built: Built, tmp_path: Path) -> None:
    """As README says, from the index and all that it serves today; by uv where a machine has it."""
    if way == "uv" and missing("uv"):
        pytest.skip("this machine lacks uv")
    venv.create(tmp_path / "venv", with_pip=way == "pip")
    python = str(tmp_path / "venv" / "bin" / "python")
    installer = [python, "-m", "pip", "install"] if way == "pip" else ["uv", "pip", "install", "--python", python]
    subprocess.run([*installer, "--quiet", str(built.wheel)], check=True, timeout=10 * PATIENCE_S)
    done = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "lanes"), "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"lanes {lanes.__version__}\n"
