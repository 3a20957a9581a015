"""0.1.0 itself, side by side with what it became.

``python -m tests.bench.older PYTHON`` installs it from this checkout's history into the environment of the peers, with
the releases of everything else that it was tested with.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lanes.bench.kit.processes import BenchProcess, gateway
from lanes.bench.kit.rows import Skipped
from lanes.bench.kit.work import Work
from tests.bench import peers

VERSION = "0.1.0"
COMMIT = "d47550f231ffd68c460c3b546165aef2a2d0a703"
HOUSE = Path(__file__).parents[2]
PIN = re.compile(r"^[\w.-]+==[^\\]+", re.MULTILINE)


def older_python(work: Work) -> str:
    """A Python that has it. Raises Skipped."""
    missing = f"lanes {VERSION} is not here: --peers names a Python that has it, `make bench` in a checkout makes one"
    python = peers.PYTHON
    if python is None:
        raise Skipped(missing)
    if (found := work.once("version of the peer", lambda: _version(python))) != VERSION:
        raise Skipped(f"{missing} ({python}: {found})")
    return python


def older_gateway(work: Work, database: Path, provider: str) -> BenchProcess:
    """A gateway of 0.1.0, set as ours are. Raises Skipped."""
    return gateway(work, database, provider, python=older_python(work))


def _version(python: str) -> str:
    asked = [python, "-c", "import lanes; print(lanes.__version__)"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd="/")
    except OSError as error:
        return error.strerror or str(error)
    return done.stdout.strip() or "no lanes"


def git(*arguments: str) -> str:
    """What git says. Ends the process where it can not."""
    done = subprocess.run(["git", *arguments], cwd=HOUSE, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"lanes {VERSION} is not in the history here: {done.stderr.strip()}")
    return done.stdout


def main(python: str) -> None:
    """Install it, or say why not."""
    with tempfile.TemporaryDirectory() as folder:
        archive, pins = Path(folder) / f"lanes-{VERSION}.tar.gz", Path(folder) / "pins.txt"
        git("archive", f"--prefix=lanes-{VERSION}/", f"--output={archive}", COMMIT)
        pins.write_text("\n".join(PIN.findall(git("show", f"{COMMIT}:requirements/dev.txt"))), encoding="utf-8")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        sys.exit(subprocess.run([*pip, "--constraint", str(pins), str(archive)], check=False).returncode)


if __name__ == "__main__":
    main(sys.argv[1])
