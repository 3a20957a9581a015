"""0.1.0 itself, side by side with what it became: installed from its commit, in the environment of the peers."""

import subprocess
from pathlib import Path

from lanes.bench.kit.processes import BenchProcess, gateway
from lanes.bench.kit.rows import Skipped
from lanes.bench.kit.work import Work

VERSION = "0.1.0"
COMMIT = "d47550f231ffd68c460c3b546165aef2a2d0a703"


def older_python(work: Work) -> str:
    """A Python that has it. Raises Skipped."""
    missing = f"lanes {VERSION} is not here: --peers names a Python that has it, `make bench` in a checkout makes one"
    if work.peers is None:
        raise Skipped(missing)
    if (found := work.once("version of the peer", lambda: _version(work.peers))) != VERSION:
        raise Skipped(f"{missing} ({work.peers}: {found})")
    return work.peers


def _version(python: str | None) -> str:
    asked = [python or "python", "-c", "import lanes; print(lanes.__version__)"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd="/")
    except OSError as error:
        return error.strerror or str(error)
    return done.stdout.strip() or "no lanes"


def older_gateway(work: Work, database: Path, provider: str) -> BenchProcess:
    """A gateway of 0.1.0, set as ours are. Raises Skipped."""
    return gateway(work, database, provider, python=older_python(work))
