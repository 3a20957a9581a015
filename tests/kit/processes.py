"""The program as its users run it: real processes, real files, real sockets.

A gateway is always a process, forked from one that has imported what it uses unless a test is about its start or its
command line. A command, and the provider behind the gateway, run in the process of the test where they are not what is
tested: most of the time that a process takes is its start.
"""

import asyncio
import contextlib
import fcntl
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from lanes import connect
from lanes.commands.common.entry import run
from lanes.testing import History, broken, read_history
from lanes_storage import open_store
from tests.kit import until
from tests.kit.databases import lay
from tests.kit.forks import Forked, run_forked
from tests.kit.simulated import provider_beside

T = TypeVar("T")
PATIENCE_S = until.PATIENCE_S
ADDRESS = re.compile(r"http://[0-9.]+:[0-9]+")


def eventually(condition: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """The first truthy value of a condition. Fails with what was waited for."""
    deadline = time.monotonic() + patience_s
    pause_s = 0.001  # what takes long is looked at less often
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.02)
    raise AssertionError(f"still waiting for {what} after {patience_s} s")


def environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of the user's own is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANES_", "XDG_"))}
    return kept | {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "error::ResourceWarning",
    }


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """A block that a broken program does not hang in for ever."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"it has not ended after {PATIENCE_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(int(PATIENCE_S))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _environment_of(home: Path) -> Iterator[None]:
    """This process has that environment within the block."""
    before, wanted = dict(os.environ), environment(home)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def heed_interrupts() -> None:
    """As ``preexec_fn``: Ctrl-C means what it means in a shell, also where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class House:
    """A folder with an empty database, a configuration and the processes that were started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "lanes.db"
        self.config = folder / "lanes.toml"
        self.processes: list[Process] = []
        self._ending = contextlib.ExitStack()

    def lanes(self, *arguments: str, check: bool = True) -> "Finished":
        """Run a command to its end, in this process."""
        with contextlib.ExitStack() as running:
            running.enter_context(_patience())
            running.enter_context(contextlib.chdir(self.folder))
            running.enter_context(_environment_of(self.folder))
            said = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
            running.enter_context(contextlib.redirect_stdout(said[0]))
            running.enter_context(contextlib.redirect_stderr(said[1]))
            code = run(["--db", str(self.database), *arguments])
        return self._checked(arguments, check, code, *(each.buffer.getvalue().decode() for each in said))

    def command(self, *arguments: str, check: bool = True) -> "Finished":
        """Run a command to its end, as a process."""
        words = ["-m", "lanes", "--db", str(self.database), *arguments]
        done = run_forked(words, folder=self.folder, env=environment(self.folder), check=False)
        return self._checked(arguments, check, done.returncode, done.stdout, done.stderr)

    def _checked(self, arguments: Sequence[str], check: bool, *did: Any) -> "Finished":
        finished = Finished(*did)
        assert not check or finished.code == 0, f"lanes {' '.join(arguments)}: {finished}"
        return finished

    def start(
        self,
        *arguments: str,
        name: str,
        kill_at: str | None = None,
        output: IO[bytes] | None = None,
        forked: bool = False,
    ) -> "Process":
        """Start a command that stays. ``kill_at`` (``before:17``): it kills itself at that commit.

        ``output``: where it talks to, if not straight to its log. ``forked``: its start is not what is tested.
        """
        program = ["lanes"] if kill_at is None else ["lanes.testing", "--at", kill_at, "--"]
        process = Process([sys.executable, "-m", *program, *arguments], self.folder, name, None, output, forked)
        self.processes.append(process)
        return process

    def gateway(self, name: str = "gateway", *arguments: str, forked: bool = True) -> "Process":
        """Start a gateway on a free port and wait until it is ready."""
        process = self.start_gateway(name, *arguments, forked=forked)
        process.url = process.address()
        return process

    def start_gateway(
        self,
        name: str = "gateway",
        *arguments: str,
        kill_at: str | None = None,
        output: IO[bytes] | None = None,
        forked: bool = True,
    ) -> "Process":
        """Start a gateway on a free port, without waiting for it: it may be dead before it is ready."""
        where = ("--db", str(self.database), "--config", str(self.config), "--port", "0")
        return self.start("gateway", *where, *arguments, name=name, kill_at=kill_at, output=output, forked=forked)

    def provider(self, tempo: float = 1) -> str:
        """The address of a simulated provider in this process; what it saw is in ``provider.jsonl``."""
        return self._ending.enter_context(provider_beside(self._seen, tempo)).removesuffix("/v1")

    def simulator(self, *arguments: str) -> "Process":
        """The same as a process."""
        log = str(self._seen)
        process = self.start(
            "simulate", "provider", "--port", "0", "--log", log, *arguments, name="provider", forked=True
        )
        process.url = process.address()
        return process

    @property
    def _seen(self) -> Path:
        return self.folder / "provider.jsonl"

    def provider_saw(self) -> list[dict[str, Any]]:
        """The requests that the simulated provider saw, as its log tells them."""
        if not self._seen.exists():
            return []
        lines = self._seen.read_text(encoding="utf-8").splitlines()
        seen = []
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # the last line may be half written
                seen.append(json.loads(line))
        return seen

    def asked(self) -> bool:
        """Whether the provider has a request that it has not ended."""
        seen = self.provider_saw()
        return any("outcome" not in r or r["outcome"] is None for r in seen) or bool(seen)

    # What a test waits for it asks the file, not a command: each of those is a process, and a wait asks often.

    def held(self) -> list[str]:
        """The keys of the lanes that are held."""
        return [key for (key,) in self.rows("SELECT key FROM lanes WHERE run_id IS NOT NULL ORDER BY id")]

    def state(self, key: str) -> str:
        """The state of a lane; ``none`` where there is none."""
        found = self.rows("SELECT state FROM lanes WHERE key = ?", key)
        return str(found[0][0]) if found else "none"

    def parked(self, key: str) -> bool:
        """Whether the head of a lane waits for a provider."""
        heads = "SELECT m.parked_until FROM lanes l JOIN messages m ON m.id = l.head_id WHERE l.key = ?"
        return any(until is not None for (until,) in self.rows(heads, key))

    def is_now(self, message: str, *states: str) -> bool:
        """Whether a message is in one of these states."""
        return self.row("SELECT state FROM messages WHERE id = ?", int(message))[0] in states

    def send_many(self, messages: Sequence[tuple[str, str]], cap: int = 1000) -> None:
        """Accept many messages at once, in this order: through the library, as an embedding program would."""

        async def send() -> None:
            async with connect(str(self.database)) as desk:
                for key, text in messages:
                    await desk.send(key, text, cap=cap)

        asyncio.run(send())

    def send_request(self, key: str, request: dict[str, Any]) -> int:
        """Accept a request, as the API does; returns the id of its message."""

        async def send() -> int:
            async with connect(str(self.database)) as desk:
                return int((await desk.send(key, request=request)).id)

        return asyncio.run(send())

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database, read beside the program."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> tuple[Any, ...]:
        """One row, the first of them."""
        return self.rows(sql, *values)[0]

    def count(self, sql: str) -> int:
        """One number from the database."""
        return int(self.row(sql)[0])

    def history(self, acknowledged: Iterable[int] = (), *, settled: bool = False) -> History:
        """What the journal tells, judged."""
        store = open_store(str(self.database))
        try:
            return read_history(store, acknowledged, settled=settled)
        finally:
            store.close()

    def close(self) -> None:
        """End every process that was started here, and the provider."""
        for process in reversed(self.processes):
            process.end()
        self._ending.close()


class Finished:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class Process:
    """A process that stays, and what it says on standard error."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        name: str,
        env: dict[str, str] | None = None,
        output: IO[bytes] | None = None,
        forked: bool = False,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.url = ""
        self.doom: str | None = None  # the kill point that it was started with
        self._said: IO[bytes] = self.log.open("ab")
        self._from = self.log.stat().st_size
        self.started_at = time.time()
        output, env = output or self._said, env or environment(folder)
        self.popen = (
            Forked(command[1:], folder, env, output.fileno())
            if forked
            else subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder, env=env)
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def said(self) -> str:
        """What it has said since it was started."""
        return self.log.read_bytes()[self._from :].decode(errors="replace")

    def address(self) -> str:
        """The address that it says it listens on."""

        def look() -> str | None:
            assert self.popen.poll() is None, f"{self.name} ended: {self.said()}"
            found = ADDRESS.search(self.said())
            return found[0] if found else None

        return eventually(look, f"the address of {self.name}")

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(PATIENCE_S)

    def freeze(self, database: Path) -> None:
        """SIGSTOP, at a moment when it does not hold the write lock of its database."""

        def stopped() -> bool:
            self.popen.send_signal(signal.SIGSTOP)
            eventually(lambda: _state(self.pid) == "T", f"{self.name} to stop")  # a signal takes its time
            if _is_free(database):
                return True
            self.thaw()
            return False

        eventually(stopped, f"{self.name} to be between two commits")

    def thaw(self) -> None:
        """SIGCONT."""
        self.popen.send_signal(signal.SIGCONT)

    def terminate(self, patience_s: float = PATIENCE_S) -> int:
        """SIGTERM, and its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(patience_s)

    def end(self) -> None:
        """End it, however it is."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait(PATIENCE_S)
        self._said.close()


def _state(pid: int) -> str:
    """The state of a process as the kernel tells it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]


def _is_free(database: Path) -> bool:
    """Whether nobody holds the write lock, nor the lock on the file beside it."""
    with Path(f"{database}-lock").open("rb") as side:
        try:
            fcntl.flock(side, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=0.2)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


@contextlib.contextmanager
def house(folder: Path, *, bare: bool = False) -> Iterator[House]:
    """A house that is cleared away at the end. ``bare``: without a database; the first process makes it."""
    made = House(folder)
    if not bare:
        lay(made.database)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def sound_house(folder: Path) -> Iterator[House]:
    """A house whose database keeps every invariant, whatever was done to its processes."""
    with house(folder) as made:
        yield made
        made.close()
        store = open_store(str(made.database))
        try:
            assert broken(store) == []
        finally:
            store.close()
