"""``python -m tests.bench.older PYTHON``: install 0.1.0 from this checkout's history into an environment.

With the releases of everything else that it was tested with.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lanes.bench.older import COMMIT, VERSION

HOUSE = Path(__file__).parents[2]
PIN = re.compile(r"^[\w.-]+==[^\\]+", re.MULTILINE)


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
