"""lanes as somebody has it who installs it: built, in an environment with what it says that it needs, and no more."""

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.kit.processes import PATIENCE_S, environment

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Built:
    """What `python -m build` makes: a source distribution, and the wheel that is made of it."""

    source: Path
    wheel: Path


def build(folder: Path) -> Built:
    """Build both, with the build requirements of this environment."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(source, wheel)


class Installed:
    """An environment with a wheel in it."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        venv.create(self.bin.parent, with_pip=False, symlinks=True)
        self.python = str(self.bin / "python")
        (packages,) = self.bin.parent.glob("lib/python*/site-packages")
        for found in _needed(_described(wheel)):
            for name in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
                (packages / name).symlink_to(Path(str(found.locate_file(name))))
        # Whatever it needs and does not say is missing here, and pip refuses.
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            "--isolated",
            "install",
            "--quiet",
            "--no-index",
            "--no-compile",
        ]
        self._run([*pip, "--disable-pip-version-check", str(wheel)])

    def run(self, program: str, *arguments: str) -> str:
        """What a program of it says. It must succeed."""
        return self._run([str(self.bin / program), *arguments])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(self.folder),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _described(wheel: Path) -> Distribution:
    archive = zipfile.ZipFile(wheel)
    (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    return PathDistribution(zipfile.Path(archive, f"{folder}/"))


def _needed(of: Distribution, extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """What a distribution says that it needs here, each once, and what that needs."""
    seen: set[tuple[str, frozenset[str]]] = set()
    given: set[str] = set()
    asked = [(of, extras)]
    while asked:
        asking, extras = asked.pop()
        for text in asking.requires or ():
            wants = Requirement(text)
            holds = wants.marker is None or any(wants.marker.evaluate({"extra": extra}) for extra in (extras or {""}))
            one = (wants.name.lower(), frozenset(wants.extras))
            if not holds or one in seen:
                continue
            seen.add(one)
            found = distribution(wants.name)
            asked.append((found, one[1]))
            if found.name not in given:
                given.add(found.name)
                yield found
