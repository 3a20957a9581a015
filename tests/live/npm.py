"""Programs from the npm registry, in the versions that ``requirements/live`` pins."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.live.subject import Unavailable

PINNED = Path(__file__).parents[2] / "requirements" / "live"
FILES = ("package.json", "package-lock.json")


def install(folder: Path, name: str = "npm", pinned_in: Path = PINNED) -> dict[str, str]:
    """Install what is pinned there below a folder, put it on the path, and return the versions by package.

    Raises Unavailable: there is no npm, or no registry.
    """
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Unavailable("node and npm are not installed")
    into = folder / name
    into.mkdir(parents=True, exist_ok=True)
    pinned = {name: (pinned_in / name).read_bytes() for name in FILES}
    done = into / ".installed"
    if not done.exists() or done.read_bytes() != pinned[FILES[1]]:
        for name, content in pinned.items():
            (into / name).write_bytes(content)
        # Not `npm ci`: it refuses a lock without the packages for other systems, which not every registry has.
        command = ["npm", "install", "--no-save", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=into, check=True, capture_output=True, timeout=1800, stdin=subprocess.DEVNULL)
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or b""
            raise Unavailable(f"npm installs nothing: {said.decode(errors='replace')[-500:].strip()}") from error
        done.write_bytes(pinned[FILES[1]])
    os.environ["PATH"] = f"{into / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    return dict(json.loads(pinned[FILES[0]])["dependencies"])
