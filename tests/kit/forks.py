"""Processes for tests that prove nothing about a start, which is most of what a process costs.

Each is forked from one that has imported what they use, and has no thread and nothing open. It has its own process id,
folder, environment and files, and ends as others do. Only its command line (``ps``) is that of its parent.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TextIO

from tests.kit.until import PATIENCE_S

ROOT = Path(__file__).parents[2]
#: What the processes use beyond what these import.
USED = (
    "aiohttp",
    "lanes.commands.common.entry",
    "lanes.commands.serve.gateway",
    "lanes.commands.serve.leaving",
    "lanes.commands.serve.serving",
    "lanes.commands.serve.simulate",
    "lanes.config.config",
    "lanes.logs.unblocked",
    "lanes.runners.acp.turn",
    "lanes.runners.build",
    "lanes.runners.http.connections",
    "lanes.runners.providers.attempt",
    "lanes.server.preflight",
    "lanes.server.serve",
    "lanes.simulate.server",
    "lanes_storage.schema.tables",
    "lanes_storage.sqlite.aio",
    "lanes_storage.sqlite.copies",
    "lanes_storage.sqlite.inspect",
    "lanes_storage.sqlite.point_reads",
    "lanes_storage.sqlite.writer",
)
_ASKING = threading.Lock()


class Forked:
    """A process that was forked: what tests use of ``subprocess.Popen``."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], output: int, errors: int | None = None
    ) -> None:
        """Run ``-m MODULE``, ``-c PROGRAM`` or a script as Python would in that folder, without standard input."""
        self.returncode: int | None = None
        request = json.dumps([list(arguments), str(folder), dict(env)]).encode()
        self._told, told = socket.socketpair()
        with told, _ASKING:
            asked = _parent()
            fds = [told.fileno(), output, output if errors is None else errors]
            socket.send_fds(asked, [len(request).to_bytes(4, "big")], fds)
            asked.sendall(request)
        self._told.settimeout(PATIENCE_S)
        self._lines = self._told.makefile()
        self.pid = int(self._lines.readline())

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = int(self._lines.readline())
            self._told.close()
            self._lines.close()
        return self.returncode

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """Wait for its end."""
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send_signal(signal.SIGKILL)
        self.wait()


def run_elsewhere(
    program: str, *arguments: str, folder: Path = ROOT, env: Mapping[str, str] = os.environ, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """What a program, the text of one, does in another process."""
    return run_forked(["-c", program, *arguments], folder=folder, env=env, check=check)


def run_forked(
    arguments: Sequence[str],
    *,
    folder: Path = ROOT,
    env: Mapping[str, str] = os.environ,
    output: int | None = None,
    check: bool = True,
) -> "subprocess.CompletedProcess[str]":
    """What another process does with these arguments of Python. ``output``: where it writes, if that is not read."""
    with TemporaryDirectory(prefix="lanes-fork-") as kept:
        out, err = Path(kept) / "out", Path(kept) / "err"
        with out.open("wb") as to_out, err.open("wb") as to_err:
            to = to_out.fileno() if output is None else output
            forked = Forked(arguments, folder, env, to, to_err.fileno())
            try:
                code = forked.wait()
            finally:
                forked.kill()
        done = subprocess.CompletedProcess(arguments, code, out.read_text("utf-8"), err.read_text("utf-8"))
    assert not check or code == 0, done.stderr
    return done


@contextlib.contextmanager
def staying(program: str, *arguments: str) -> Iterator[Forked]:
    """A process that has come so far that it says something, and stays until the end of the block."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as said:
        try:
            process = Forked(["-c", program, *arguments], ROOT, os.environ, write, 2)
        finally:
            os.close(write)
        try:
            assert said.readline(), "it ended without a word"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


@cache
def _parent() -> socket.socket:
    """The parent of all, asked by this socket."""
    asked, theirs = socket.socketpair()
    with theirs:
        env = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error::ResourceWarning"}
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        nothing = subprocess.DEVNULL
        parent = subprocess.Popen(command, cwd=ROOT, env=env, stdin=nothing, stdout=nothing, pass_fds=[theirs.fileno()])

    def end() -> None:
        asked.close()  # it ends when nobody can ask any more
        parent.wait()

    atexit.register(end)
    return asked


def _fork_for_each_request(asked: socket.socket) -> None:
    """Returns in each of the processes once it has done what it is for, so that it ends like any other one."""
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking.fileno())
    running: dict[int, socket.socket] = {}
    with asked, woken, waking:
        while True:
            ready = select.select([asked, woken], [], [])[0]
            if woken in ready:
                woken.recv(4096)
                _tell_ends(running)
            if asked not in ready:
                continue
            size, fds, _, _ = socket.recv_fds(asked, 4, 3)
            if not size:
                return
            request = asked.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
            told = socket.socket(fileno=fds[0])
            pid = os.fork()
            if pid == 0:
                break
            for fd in fds[1:]:
                os.close(fd)
            running[pid] = told
            told.sendall(f"{pid}\n".encode())
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for other in (told, *running.values()):
        other.close()
    _become(*json.loads(request), *fds[1:])


def _tell_ends(running: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with running.pop(ended[0]) as told, contextlib.suppress(BrokenPipeError):  # nobody may wait for it
                told.sendall(f"{os.waitstatus_to_exitcode(ended[1])}\n".encode())


def _writer(number: int, like: TextIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(number, "w", closefd=False), like.encoding, like.errors, write_through=True)


def _become(arguments: list[str], folder: str, env: dict[str, str], output: int, errors: int) -> None:
    for number, fd in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
        os.dup2(fd, number)
        os.close(fd)
    # What Python knows of them, as whether they can be sought in, it knows of the files of the parent.
    sys.stdout, sys.stderr = map(_writer, (1, 2), (sys.stdout, sys.stderr))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.path[0] = folder
    match arguments:
        case ["-m", module, *_]:
            sys.argv = arguments[1:]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", program, *rest]:
            sys.argv = ["-c", *rest]
            sys.modules["__main__"] = main = ModuleType("__main__")  # what it leaves open is there to the end
            exec(compile(program, "-c", "exec"), main.__dict__)
        case [script, *_]:
            sys.argv = arguments
            sys.path[0] = str(Path(script).parent)
            runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    for name in USED:
        import_module(name)
    import_module("lanes.runners.http.client")._packaged()  # certificates, which are read once for all of them
    gc.freeze()  # a process that looks for garbage would copy every page of what is shared
    _fork_for_each_request(socket.socket(fileno=int(sys.argv[1])))
