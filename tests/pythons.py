"""``make test-all``: runs the tests on every Python from 3.11 on that is found, each in an environment of its own.

Needs nothing but the standard library. What was given to make (``ORDER=random``) is given on by make itself.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST = (3, 11)
#: ``python3.13``, and not ``python3.13t`` or ``python3.13-config``.
NAME = re.compile(r"python3\.\d+")
#: What a Python says of itself, if it is one that lanes runs on and that can make environments.
ASK = """
import ensurepip, platform, sqlite3, sys, sysconfig, venv
if platform.python_implementation() == "CPython" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print(*sys.version_info[:3], sys.version_info.releaselevel)
"""
ASK_FOR_S = 60


@dataclass(frozen=True, order=True, slots=True)
class Python:
    """One of them."""

    version: tuple[int, int, int]
    program: Path

    @property
    def name(self) -> str:
        """Its release: ``3.12.1``."""
        return ".".join(map(str, self.version))

    @property
    def line(self) -> str:
        """The release line that it belongs to: ``3.12``."""
        return "{}.{}".format(*self.version)


def main() -> int:
    """Run the tests on each of them; 0 if they passed on all."""
    results = [(python, *tested(python)) for python in found()]
    say(f"\n{'Python':8} {'tests':8} seconds")
    for python, passed, seconds in results:
        say(f"{python.name:8} {'passed' if passed else 'FAILED':8} {seconds:7.0f}")
    return 0 if results and all(passed for _, passed, _ in results) else 1


def say(line: str) -> None:
    """A line for whoever waits, before what the next process says."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tested(python: Python) -> tuple[bool, float]:
    """Whether the tests pass on it, and how many seconds that took."""
    say(f"--- Python {python.name}")
    began = time.monotonic()
    environment = [f"PYTHON={python.program}", f"VENV=.venv-{python.line}"]
    made = subprocess.run(["make", "--no-print-directory", "test", *environment], cwd=ROOT, check=False)
    return made.returncode == 0, time.monotonic() - began


def found() -> list[Python]:
    """The newest release of each line that is on the path or in the folders of pyenv; a broken one is none."""
    newest: dict[str, Python] = {}
    for program in sorted(set(candidates())):
        version = version_of(program)
        if version is not None and version >= OLDEST:
            python = Python(version, program)
            newest[python.line] = max(newest.get(python.line, python), python)
    return sorted(newest.values())


def candidates() -> Iterator[Path]:
    """Files that may be one."""
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        yield from (path for path in Path(folder).glob("python3.*") if NAME.fullmatch(path.name))
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from pyenv.glob("versions/*/bin/python")


def version_of(program: Path) -> tuple[int, int, int] | None:
    """Which release it is; None for what does not run, has parts missing, or is no final one."""
    try:
        asked = subprocess.run(
            [program, "-I", "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=ASK_FOR_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = asked.stdout.split()
    if asked.returncode or len(said) != 4 or said[3] != "final":
        return None
    return int(said[0]), int(said[1]), int(said[2])


if __name__ == "__main__":
    sys.exit(main())
