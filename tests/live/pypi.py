"""Programs from PyPI, in the versions that ``requirements`` pins, each with a separate environment."""

import subprocess
import sys
from pathlib import Path

from tests.live.npm import PINNED
from tests.live.subject import Unavailable

HERMES = PINNED / "hermes.txt"


def hermes(folder: Path) -> tuple[Path, str]:
    """Install it below a folder; returns its program, and its version. Raises Unavailable: there is no registry."""
    commands = install(folder / "hermes", HERMES)
    return commands / "hermes", HERMES.read_text(encoding="ascii").strip().rpartition("=")[2]


def install(home: Path, pinned: Path) -> Path:
    """Install what a file pins into a folder; returns the folder of its commands. Raises Unavailable."""
    done, wanted = home / ".installed", pinned.read_text(encoding="ascii")
    if not done.exists() or done.read_text(encoding="ascii") != wanted:
        make = [sys.executable, "-m", "venv", str(home)]
        get = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(pinned)]
        try:
            for command in (make, get):
                subprocess.run(command, check=True, capture_output=True, timeout=1800, stdin=subprocess.DEVNULL)
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or b""
            raise Unavailable(
                f"pip installs no {pinned.stem}: {said.decode(errors='replace')[-500:].strip()}"
            ) from error
        done.write_text(wanted, encoding="ascii")
    return home / "bin"
