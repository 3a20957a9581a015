"""hermes from PyPI, in the version that ``requirements/live`` pins, with a separate environment."""

import subprocess
import sys
from pathlib import Path

from tests.live.npm import PINNED
from tests.live.subject import Unavailable

HERMES = PINNED / "hermes.txt"


def hermes(folder: Path) -> tuple[Path, str]:
    """Install it below a folder; returns its program, and its version. Raises Unavailable: there is no registry."""
    home, wanted = folder / "hermes", HERMES.read_text(encoding="ascii")
    done = home / ".installed"
    if not done.exists() or done.read_text(encoding="ascii") != wanted:
        make = [sys.executable, "-m", "venv", str(home)]
        install = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(HERMES)]
        try:
            for command in (make, install):
                subprocess.run(command, check=True, capture_output=True, timeout=1800, stdin=subprocess.DEVNULL)
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or b""
            raise Unavailable(f"pip installs no hermes: {said.decode(errors='replace')[-500:].strip()}") from error
        done.write_text(wanted, encoding="ascii")
    return home / "bin" / "hermes", wanted.strip().rpartition("=")[2]
