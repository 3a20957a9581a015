"""A real service manager of a user, in namespaces of the kernel in which nothing else runs: what is started there ends
with them, and everybody's ports are free."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kit.processes import Process, eventually
from tests.live.subject import Unavailable

_NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")
_SYSTEMD = (Path("/lib/systemd/systemd"), Path("/usr/lib/systemd/systemd"))
_GROUPS = Path("/sys/fs/cgroup")


def inside(module: str, *words: str) -> list[str]:
    """A command that runs a module in new namespaces. Raises Unavailable: they cannot be made here."""
    if not any(path.exists() for path in _SYSTEMD):
        raise Unavailable("there is no systemd")
    tried = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise Unavailable(f"a user systemd needs namespaces: {tried.stderr.strip()}")
    return [*_NAMESPACES, sys.executable, "-m", module, *words]


class UserManager:
    """``systemd --user`` with a home, and what a shell of that user has."""

    def __init__(self, folder: Path) -> None:
        self.home, self._folder = folder / "home", folder
        self.environment: Mapping[str, str] = {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "PATH": f"{self.home / '.local' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            **{name: value for name, value in os.environ.items() if name.startswith("PYTHON")},
        }
        (folder / "run").mkdir(parents=True, mode=0o700)
        lanes = self.home / ".local" / "bin" / "lanes"
        lanes.parent.mkdir(parents=True)
        lanes.symlink_to(Path(sys.executable).with_name("lanes"))
        self._process: Process | None = None

    def start(self) -> None:
        """As a login does."""
        program = next(path for path in _SYSTEMD if path.exists())
        command = [str(program), "--user", "--log-target=console"]
        self._process = Process(command, self._folder, "systemd", env=dict(self.environment))
        eventually(lambda: self.systemctl("is-system-running", "--wait").stdout.strip() == "running", "systemd --user")

    def kill(self) -> None:
        """``kill -9``; its units live on."""
        assert self._process is not None
        self._process.kill()

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """What that user types."""
        return subprocess.run(
            command, env=dict(self.environment), cwd=self.home, capture_output=True, text=True, check=False, timeout=300
        )

    def systemctl(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """``systemctl --user``."""
        return self.run("systemctl", "--user", *words)

    def pid(self, unit: str) -> int:
        """The main process of a unit; 0: none runs."""
        return int(self.systemctl("show", "--property=MainPID", "--value", unit).stdout or 0)


@contextmanager
def user_manager(folder: Path) -> Iterator[UserManager]:
    """One that runs, for the first process of new namespaces alone. Raises Unavailable."""
    assert os.getpid() == 1, "it is for namespaces that `inside` makes"
    group = _GROUPS / f"lanes-live-{os.urandom(4).hex()}"
    _prepare(group)
    made = UserManager(folder)
    try:
        made.start()
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all that is in here, except the first
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        (_GROUPS / "cgroup.procs").write_text("1", encoding="ascii")
        for path in sorted(group.rglob("*/"), reverse=True):
            if path.is_dir():
                path.rmdir()
        group.rmdir()


def _prepare(group: Path) -> None:
    """Make the machine look like one on which systemd is the first process. Raises Unavailable."""
    run = Path("/run/systemd")
    run.mkdir(exist_ok=True)
    steps: Sequence[Sequence[str]] = (
        ("ip", "link", "set", "lo", "up"),
        ("mount", "-t", "tmpfs", "tmpfs", str(run)),
        ("umount", "-R", str(_GROUPS)),
        ("mount", "-t", "cgroup2", "none", str(_GROUPS)),
    )
    try:
        for step in steps:
            subprocess.run(step, check=True, capture_output=True)
        (run / "system").mkdir()
        group.mkdir()
        (group / "cgroup.procs").write_text("1", encoding="ascii")
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"a user systemd cannot be started: {error}") from error
