"""A dashboard whose gateway, parent or terminal is gone ends by itself, and in words that a person can read."""

import contextlib
import ctypes
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]  # it has no hints
import pytest

from tests.kit.processes import PATIENCE_S, House, environment, eventually
from tests.scenarios.conftest import configure
from tests.tui.terminal import UNWANTED, terminal

_PR_SET_CHILD_SUBREAPER = 36
PROMPT = "prompt> "


@pytest.fixture
def adopting() -> Iterator[None]:
    """Orphans become children of this process, so that their exit codes can be asked for."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def shell(made: House) -> Iterator[pexpect.spawn]:
    """A shell with job control: it takes the terminal back when what it runs has ended."""
    env = {name: value for name, value in environment(made.folder).items() if name not in UNWANTED}
    spawned = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile", "-i"],
        env=env | {"TERM": "xterm-256color", "PS1": PROMPT},
        dimensions=(24, 80),
        timeout=PATIENCE_S,
        cwd=str(made.folder),
    )
    spawned.expect_exact(PROMPT)
    try:
        yield spawned
    finally:
        spawned.close(force=True)


def children(pid: int) -> list[int]:
    """The processes that a process has started and not waited for."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in found.split()]


def only_child(pid: int) -> int:
    """The one process that a process has started."""
    eventually(lambda: len(children(pid)) == 1, "its child")
    return children(pid)[0]


@pytest.mark.parametrize("typed", ["", "j"], ids=["left alone", "a key at once"])
@pytest.mark.usefixtures("adopting")
def test_the_dashboard_of_a_gateway_that_was_killed_says_so_and_ends(
    made: House, shell: pexpect.spawn, typed: str
) -> None:
    configure(made, "http://127.0.0.1:9")
    where = f"--db {made.database} --config {made.config} --port 0"
    shell.sendline(f"{sys.executable} -m lanes up {where}")
    shell.expect_exact("No lanes yet")
    gateway = only_child(shell.pid)
    dashboard = only_child(gateway)
    os.kill(gateway, signal.SIGKILL)
    shell.send(typed)
    shell.expect("the gateway that was started with this dashboard has ended: `lanes up` starts it again")
    assert "Traceback" not in shell.before.decode() + shell.after.decode()
    assert b"\x1b[?1049l" in shell.before, "the sentence stands on the screen of the shell"
    assert ended(dashboard) == 1
    shell.sendline()
    shell.expect_exact(PROMPT)
    assert "Traceback" not in shell.before.decode()


def test_F969_the_gateway_of_a_dashboard_that_was_killed_gives_the_terminal_back(
    made: House, shell: pexpect.spawn
) -> None:
    """As by the system, where memory is short: nothing else is left that could."""
    configure(made, "http://127.0.0.1:9")
    shell.sendline(f"{sys.executable} -m lanes up --db {made.database} --config {made.config} --port 0")
    shell.expect_exact("No lanes yet")
    painted = shell.before
    os.kill(only_child(only_child(shell.pid)), signal.SIGKILL)
    shell.expect_exact("the dashboard was ended by signal 9; the gateway continues here")
    modes = dict(re.findall(rb"\x1b\[\?([0-9]+)([hl])", painted + shell.before))
    shown = {b"25", b"7"}
    assert {mode for mode, switched in modes.items() if switched == b"h"} <= shown, "as before it was opened"
    assert b"\x1b[?25h" in shell.before, "the cursor is seen"


@pytest.mark.usefixtures("adopting")
def test_a_dashboard_from_which_the_shell_has_taken_the_terminal_ends_quietly(
    made: House, shell: pexpect.spawn
) -> None:
    shell.sendline(f"sh -c '{sys.executable} -m lanes dashboard --db {made.database}; true'")
    shell.expect_exact("No lanes yet")
    parent = only_child(shell.pid)
    dashboard = only_child(parent)
    os.kill(parent, signal.SIGKILL)
    shell.expect_exact(PROMPT)
    said = b""

    def key() -> None:
        """Press one, as the dashboard meets the loss when it reads; the shell may take it first, so more follow."""
        nonlocal said
        shell.send("\r")
        with contextlib.suppress(pexpect.TIMEOUT):
            said += shell.read_nonblocking(65_536, timeout=0.1)

    assert ended(dashboard, key) == 128 + signal.SIGHUP
    assert not re.search(rb"Traceback|Error", said)


def test_a_dashboard_whose_terminal_is_gone_ends_without_a_signal_that_tells(made: House) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # the dashboard inherits that
    try:
        with terminal(made.database) as opened:
            opened.shows("No lanes yet")
            opened.vanish()
            eventually(lambda: not opened.process.isalive(), "the end of the dashboard")
            assert opened.process.exitstatus == 128 + signal.SIGHUP
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.parametrize("ignored", [False, True], ids=["heeded", "ignored"])
def test_F541_a_gateway_and_its_dashboard_end_with_a_terminal_that_signals_only_to_make(
    made: House, ignored: bool
) -> None:
    configure(made, "http://127.0.0.1:9")
    trap = "trap '' HUP; exec " if ignored else ""
    up = f"{trap}{sys.executable} -m lanes up --db {made.database} --config {made.config} --port 0"
    (made.folder / "Makefile").write_text(f"run:\n\t@{up}\n", encoding="utf-8")
    env = {name: value for name, value in environment(made.folder).items() if name not in UNWANTED}
    session = pexpect.spawn(
        "make", ["-C", str(made.folder), "run"], env=env | {"TERM": "xterm-256color"}, timeout=PATIENCE_S
    )
    try:
        session.expect_exact("No lanes yet")
        gateway = only_child(session.pid)
        dashboard = only_child(gateway)
        session.ptyproc.fileobj.close()  # the kernel tells make, which leads the session, and waits for its child
        eventually(lambda: not Path(f"/proc/{dashboard}").exists(), "the end of the dashboard")
        if ignored:
            eventually(lambda: "goes on" in log(made), "a word on what becomes of it")
            os.kill(gateway, signal.SIGTERM)
        else:
            eventually(lambda: "the terminal is gone" in log(made), "a word on why it stops")
        eventually(lambda: not session.isalive(), "the end of the gateway, and of make")
        assert not json.loads(made.lanes("status", "--json", check=False).out)["gateways"], "it left cleanly"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(session.pid, signal.SIGKILL)
        session.close(force=True)


def log(made: House) -> str:
    """What the gateway beside the dashboard has logged."""
    path = made.folder / "state" / "lanes" / "gateway.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def ended(pid: int, meanwhile: Callable[[], None] = lambda: None) -> int:
    """The exit code of a process, once it has ended by itself."""
    codes: list[int] = []

    def has_ended() -> bool:
        meanwhile()
        found, status = os.waitpid(pid, os.WNOHANG)
        codes.extend([os.waitstatus_to_exitcode(status)] if found else [])
        return bool(codes)

    eventually(has_ended, "it to end")
    return codes[0]
