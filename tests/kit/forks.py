"""Other processes, for tests that need many of them and prove nothing about a start, which is most of what one costs.

Each is forked from a process that has imported what they use, has no thread and nothing open, and ends as others do.
"""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

# What the programs use is imported here, before the first of them is forked.
import lanes_storage.sqlite.copies
import lanes_storage.sqlite.inspect  # noqa: F401

ROOT = Path(__file__).parents[2]


def run_elsewhere(program: str, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """What a program, the text of one, does in another process."""
    with TemporaryDirectory(prefix="lanes-fork-") as folder:
        parent = _parent()
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(json.dumps([program, ["-c", *arguments], folder]) + "\n")
        parent.stdin.flush()
        code = int(parent.stdout.readline())
        out, err = ((Path(folder) / name).read_text(encoding="utf-8") for name in ("out", "err"))
    assert not check or code == 0, err
    return subprocess.CompletedProcess(arguments, code, out, err)


@cache
def _parent() -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", __name__]
    parent = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(parent.communicate)  # it ends when it is told nothing more
    return parent


def _fork_for_each_line() -> None:
    """Returns in each of the processes once it has done what it is for, so that it ends like any other one."""
    while line := sys.stdin.readline():
        program, sys.argv, folder = json.loads(line)
        pid = os.fork()
        if pid == 0:
            for number, name in enumerate(("in", "out", "err")):
                os.dup2(os.open(Path(folder) / name, os.O_CREAT | os.O_RDWR, 0o600), number)
            sys.modules["__main__"] = main = ModuleType("__main__")  # what the program leaves open is there to the end
            exec(compile(program, "-c", "exec"), main.__dict__)
            return
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _fork_for_each_line()
