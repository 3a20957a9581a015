"""``python -m tests.fuzz SCHEMATHESIS [EXAMPLES]``: asks a real gateway before the simulated provider."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kit.processes import house
from tests.kit.simulated import simulated

CONFIG = """
[queue]
cap = 1000000
"""
#: What would end the talk: a drain of the gateway, a pause of every lane, and a stream that does not end.
LEFT_OUT = ("/api/drain", "/api/pause", "/api/events")


def main(program: str, examples: str = "25") -> int:
    """Returns what the program exits with."""
    with tempfile.TemporaryDirectory() as folder, house(Path(folder)) as made:
        made.config.write_text(CONFIG + simulated(made.simulator("--tempo", "100").url))
        gateway = made.gateway()
        shutil.copy(Path(__file__).with_name("schemathesis.toml"), folder)
        arguments = [f"{gateway.url}/openapi.json", "--url", gateway.url, "--checks", "all", "--max-examples", examples]
        arguments += [argument for path in LEFT_OUT for argument in ("--exclude-path", path)]
        arguments += ["--continue-on-failure", "--suppress-health-check", "all"]
        done = subprocess.run([program, "run", *arguments], cwd=folder, check=False)
        if "Traceback" in gateway.said():
            sys.stderr.write(gateway.said())
            return 1
        return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
