"""The keeper: the parent of everything that one command run starts. A program that imports nothing of lanes.

It waits at a socket, and starts the agent only when it is told to, after the database has stored its process. End of
file there means that its gateway is gone. On Linux it adopts every descendant that loses its parent (a subreaper), so
"no children" proves that nothing of the run is left, whatever called setsid, forked twice or closed everything. It ends
what remains: SIGTERM, SIGKILL at half the grace, until nothing is left. For that it needs neither the event loop of its
gateway nor a living gateway.

Orders and reports are JSON objects, one a line. In: the order to start (``argv``, ``env``, ``cwd``, ``grace_ms``, the
limits ``nice``, ``max_memory``, ``max_cpu_s``, the control group ``cgroup``, and ``user``, by numbers, with its
groups), and ``{"stop": grace_ms, "wait": ms}``; ``wait`` is how long the agent may take before SIGTERM. Out:
``{"started": pid}`` or ``{"failed": reason, "errno": its number or 0}``, ``{"exit": code}`` (negative: a signal), and
last ``{"gone": […]}``: what had to be ended.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

PR_SET_CHILD_SUBREAPER = 36
#: How long what an agent leaves behind may take to end after SIGTERM.
LEFTOVER_GRACE_MS = 2_000
#: Seconds between two rounds of SIGKILL.
LOOK_EVERY_S = 0.01
#: How many processes are named at the end, and how often children are listed without a pause.
MOST_NAMED = 100
QUICK_LOOKS = 1_000
IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class Keeper:
    """One run, from the order to start to the proof that nothing of it is left."""

    def __init__(self, control: socket.socket, order: dict[str, Any], rest: bytes) -> None:
        self._control = control
        self._order = order
        self._buffer = rest
        self._exit: int | None = None
        self._term_at: float | None = None  # monotonic seconds; None: nothing is to be ended yet
        self._kill_at: float | None = None
        self._termed = False
        self._ended: list[str] = []
        wake, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._woken = wake
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        # the gateway may have inherited blocked signals, or blocked some
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def run(self) -> None:
        """Start the agent, and return when the whole tree has ended."""
        self._agent = self._start()
        self._carry_out(b"")  # what came with the order to start
        control: list[int] = [self._control.fileno()]
        while not self._reap():
            if self._exit is not None and not self._termed:
                self._stop(LEFTOVER_GRACE_MS)
            pause = self._send_due_signals()
            ready, _, _ = select.select([*control, self._woken], [], [], pause)
            if self._woken in ready and signal.SIGTERM in os.read(self._woken, 4096):
                self._stop(self._order["grace_ms"])
            if control and control[0] in ready and not self._obey():
                control = []
                self._stop(self._order["grace_ms"])
        self._report({"gone": self._ended})

    # ------------------------------------------------------------------------------------ starting

    def _start(self) -> int:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
        except OSError as error:
            self._report({"failed": error.strerror, "errno": error.errno})
            return -1
        if pid == 0:
            self._become_agent(write_end)
        os.close(write_end)
        with open(read_end, "rb") as pipe:  # noqa: PTH123 - a descriptor
            code, _, reason = pipe.read().decode(errors="replace").partition(" ")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):  # the pipes are the agent's: the gateway must see them end with it
            os.dup2(nowhere, number)
        self._report({"failed": reason, "errno": int(code)} if reason else {"started": pid})
        return pid

    def _become_agent(self, pipe: int) -> NoReturn:
        order, about = self._order, ""
        try:
            os.setpgid(0, 0)  # so that an agent that signals its own group does not hit its keeper
            if order.get("cgroup"):
                join(Path(order["cgroup"]))
            signal.set_wakeup_fd(-1)
            for number in (*IGNORED, signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            if order.get("user"):
                user, group, groups = order["user"]
                os.setgroups(groups)
                os.setgid(group)
                os.setuid(user)
            about = f" ({order['cwd']})"
            os.chdir(order["cwd"])
            if order.get("nice"):
                os.nice(order["nice"])
            for kind, limit in ((resource.RLIMIT_AS, "max_memory"), (resource.RLIMIT_CPU, "max_cpu_s")):
                if order.get(limit):
                    resource.setrlimit(kind, (order[limit], order[limit]))
            program = order["argv"][0]
            about = f" ({Path(order['cwd']) / program if '/' in program else program})"
            os.execvpe(program, order["argv"], order["env"])
        except BaseException as error:  # this process must not go on as a second keeper
            code = error.errno if isinstance(error, OSError) else None
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            os.write(pipe, f"{code or 0} {reason or 'no reason is known'}{about}".encode(errors="replace")[:1024])
        os._exit(127)

    # -------------------------------------------------------------------------------------- ending

    def _stop(self, grace_ms: int, wait_ms: int = 0) -> None:
        """End the tree: SIGTERM after the wait, SIGKILL at half the grace. A later order can only make that earlier."""
        now = time.monotonic()
        term_at, kill_at = now + wait_ms / 1000, now + grace_ms / 2000
        self._term_at = term_at if self._term_at is None else min(self._term_at, term_at)
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)
        self._send_due_signals()

    def _send_due_signals(self) -> float | None:
        """Send the signals whose time has come; returns the seconds until the next look, None where nothing is due."""
        if self._term_at is None or self._kill_at is None:
            return None
        now = time.monotonic()
        if not self._termed and now >= self._term_at:
            self._termed = True
            self._signal(signal.SIGTERM)
        if now >= self._kill_at:
            self._signal(signal.SIGKILL)
            return LOOK_EVERY_S
        return (self._kill_at if self._termed else min(self._term_at, self._kill_at)) - now

    def _signal(self, number: int) -> None:
        groups = set[int]()
        for pid, name in descendants(os.getpid()):
            if (
                self._exit is not None
                and len(self._ended) < MOST_NAMED
                and (process := f"{pid} {name}") not in self._ended
            ):
                self._ended.append(process)  # it had outlived the agent
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # one that is stopped would not take SIGTERM
                groups.add(os.getpgid(pid))
        if number == signal.SIGKILL:
            self._kill_all(groups - {os.getpgrp()})

    def _kill_all(self, groups: set[int]) -> None:
        """Kill what forks faster than it can be listed: whole control groups and process groups, then child by child.

        A process that has lost its parent is a child of this one.
        """
        if self._order.get("cgroup"):
            with contextlib.suppress(OSError):  # an older kernel
                Path(self._order["cgroup"], "cgroup.kill").write_text("1", encoding="ascii")
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        with contextlib.suppress(OSError):  # not on every system
            listed = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
            try:
                for _ in range(QUICK_LOOKS):
                    for child in os.pread(listed, 65536, 0).split():
                        with contextlib.suppress(ProcessLookupError, PermissionError):
                            os.kill(int(child), signal.SIGKILL)
            finally:
                os.close(listed)

    def _reap(self) -> bool:
        """Record which processes have ended; returns whether none is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self._agent:
                self._exit = os.waitstatus_to_exitcode(status)
                self._report({"exit": self._exit})

    # ------------------------------------------------------------------------- orders and reports

    def _obey(self) -> bool:
        """Read orders. Returns False if the gateway is gone."""
        try:
            data = self._control.recv(65536)
        except OSError:
            data = b""
        self._carry_out(data)
        return bool(data)

    def _carry_out(self, orders: bytes) -> None:
        *lines, self._buffer = (self._buffer + orders).split(b"\n")
        for line in lines:
            order = json.loads(line)
            self._stop(order["stop"], order.get("wait", 0))

    def _report(self, report: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self._control.sendall(json.dumps(report).encode() + b"\n")


def join(group: Path) -> None:
    """Join a control group. If that is not allowed, remove it: an empty group would prove that nothing is left."""
    try:
        (group / "cgroup.procs").write_text("0", encoding="ascii")
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()


def descendants(of: int) -> list[tuple[int, str]]:
    """The living descendants of a process with their names, as /proc shows them; elsewhere what ``ps`` tells."""
    table = processes()
    found, todo = [], [of]
    while todo:
        parent = todo.pop()
        for pid, (ppid, name) in table.items():
            if ppid == parent:
                found.append((pid, name))
                todo.append(pid)
    return found


def processes() -> dict[int, tuple[int, str]]:
    """The parent and the name of every process that has not ended, by pid."""
    if not sys.platform.startswith("linux"):
        with os.popen("ps -A -o pid=,ppid=,comm=") as listed:
            rows = [line.split(None, 2) for line in listed]
        return {int(pid): (int(ppid), name.strip()) for pid, ppid, name in rows}
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - called a hundred times a second
        if entry.isdecimal():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
                head, _, tail = stat.rpartition(")")
                state, ppid = tail.split(None, 2)[:2]
                if state not in "ZX":
                    found[int(entry)] = (int(ppid), head.partition("(")[2])
    return found


def main(descriptor: int) -> None:
    """Wait on a socket for the order to start, and execute it. Without an order, nothing is started."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    line, ended, rest = b"", b"", b""
    while not ended:
        data = control.recv(65536)
        if not data:
            return
        line, ended, rest = (line + data).partition(b"\n")
    order = json.loads(line)
    if "argv" not in order:  # an order to stop
        return
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    Keeper(control, order, rest).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
