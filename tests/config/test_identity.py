"""Judged on real processes: living, stopped, dead, unreaped, renamed, half ended, in a namespace of their own."""

import ast
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lanes.host import identity
from lanes.host.identity import Identity, ProcessSighting, evidence, identity_of, is_gone, is_here, look, this_process
from lanes_storage.clock import boot_id, boot_session, sysctl
from tests.kit.processes import eventually

Child = subprocess.Popen[str]
Spawn = Callable[[str], Child]

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start a Python that runs some code, says a line, and ends when its standard input does."""
    children: list[Child] = []

    def start(code: str = "") -> Child:
        code = f"import sys\n{code}\nprint('ready', flush=True)\nsys.stdin.read()"
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield start
    for child in children:
        with child:  # closes its pipes and reaps it
            child.kill()


@pytest.fixture
def me() -> Identity:
    return this_process()


def end_unreaped(child: Child) -> None:
    """End a child and leave it a zombie."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def this_moment() -> int:
    """The time since boot in the unit of start times."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10_000_000


def test_this_process_is_here_and_alive(me: Identity) -> None:
    assert (me.host, me.boot_id, me.pid) == (os.uname().nodename, boot_id(), os.getpid())
    assert me.start_time > 0
    assert is_here(me, me)
    assert not is_gone(me, me)
    assert this_process() == me == identity_of(os.getpid())


def test_it_does_not_search_for_itself(me: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle pass of the reconciler looks at little else than its own process."""
    monkeypatch.setattr(identity, "_find", lambda pid: pytest.fail(f"looked for {pid}"))
    assert look(me, me) is ProcessSighting.ALIVE


@linux
def test_the_start_time_and_namespace_are_those_of_the_kernel(me: Identity) -> None:
    assert me.pid_ns == os.readlink("/proc/self/ns/pid")  # noqa: PTH115 — the reference reading
    assert me.start_time == int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])


def test_it_is_the_process_also_from_a_thread(me: Identity) -> None:
    seen: list[Identity] = []
    thread = threading.Thread(target=lambda: seen.append(this_process()))
    thread.start()
    thread.join()
    assert seen == [me]


def test_after_a_fork_it_is_another_process(me: Identity) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, repr(tuple(this_process())).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        seen = Identity(*ast.literal_eval(told.read()))
    os.waitpid(child, 0)
    assert seen.pid == child
    assert seen.start_time >= me.start_time
    assert (seen.host, seen.boot_id, seen.pid_ns) == (me.host, me.boot_id, me.pid_ns)


def test_a_living_child_is_alive_and_a_stopped_one_too(me: Identity, spawn: Spawn) -> None:
    child = spawn("")
    who = identity_of(child.pid)
    assert look(who, me) is ProcessSighting.ALIVE
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert not is_gone(who, me)
    assert look(who, me) is ProcessSighting.STOPPED
    assert evidence(who, me) == f"process {child.pid} on this host is stopped: `kill -CONT {child.pid}` lets it go on"


def test_a_zombie_is_gone_and_stays_so_when_reaped(me: Identity, spawn: Spawn) -> None:
    child = spawn("")
    who = identity_of(child.pid)
    end_unreaped(child)
    assert look(who, me) is ProcessSighting.ZOMBIE
    assert is_gone(who, me)
    with pytest.raises(ProcessLookupError):
        identity_of(child.pid)
    child.communicate()
    assert look(who, me) is ProcessSighting.GONE
    assert is_gone(who, me)
    assert evidence(who, me) == f"process {child.pid} on this host is gone"
    with pytest.raises(ProcessLookupError):
        identity_of(child.pid)


def test_a_pid_that_was_given_to_another_process_is_gone(me: Identity, spawn: Spawn) -> None:
    who = identity_of(spawn("").pid)
    earlier = who._replace(start_time=who.start_time - 100)
    assert is_gone(earlier, me)
    assert look(earlier, me) is ProcessSighting.REUSED
    assert "belongs to a process that started at another time" in evidence(earlier, me)
    assert not is_gone(who, me)


@linux
@pytest.mark.parametrize("name", ["a b", "a) R 1 (b", "((()", ") Z 0", "x)\n) Z 1"])
def test_a_name_cannot_pretend_to_be_fields(me: Identity, spawn: Spawn, name: str) -> None:
    before = spawn("")
    child = spawn(f"open('/proc/self/comm', 'w').write({name!r})")
    who = identity_of(child.pid)
    assert look(who, me) is ProcessSighting.ALIVE
    assert identity_of(before.pid).start_time <= who.start_time <= this_moment()


@linux
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="knows the number of exit(2) there")
def test_a_process_whose_first_thread_ended_still_runs(me: Identity, spawn: Spawn) -> None:
    number = {"x86_64": 60, "aarch64": 93}[platform.machine()]
    child = spawn(
        "import ctypes, os, threading\n"
        "def rest():\n"
        "    print('ready', flush=True); os.read(0, 1); os._exit(0)\n"
        "threading.Thread(target=rest).start()\n"
        f"ctypes.CDLL(None).syscall({number}, 0)"
    )
    stat = Path("/proc", str(child.pid), "stat")
    eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "its main thread to end")
    who = me._replace(pid=child.pid, start_time=int(stat.read_text().rpartition(")")[2].split()[19]))
    assert look(who, me) is ProcessSighting.ALIVE
    assert child.stdin is not None
    child.stdin.write("x")
    child.stdin.flush()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert look(who, me) is ProcessSighting.ZOMBIE


@pytest.mark.parametrize(
    "changed", [{"host": "elsewhere", "boot_id": "theirs"}, {"boot_id": "before"}, {"pid_ns": "pid:[1]"}]
)
def test_what_is_elsewhere_is_never_gone(me: Identity, spawn: Spawn, changed: dict[str, str]) -> None:
    child = spawn("")
    who = identity_of(child.pid)
    end_unreaped(child)
    child.communicate()
    assert is_gone(who, me)
    other = Identity(
        changed.get("host", who.host), changed.get("boot_id", who.boot_id), changed.get("pid_ns", who.pid_ns),
        who.pid, who.start_time,
    )  # fmt: skip
    assert not is_here(other, me)
    assert not is_gone(other, me)
    assert "gone" not in evidence(other, me)


def test_F898_a_host_that_was_renamed_is_the_same_host(me: Identity, spawn: Spawn) -> None:
    child = spawn("")
    who = identity_of(child.pid)._replace(host="as it was called then")
    assert look(who, me) is ProcessSighting.ALIVE
    end_unreaped(child)
    child.communicate()
    assert is_here(who, me)
    assert is_gone(who, me)
    timed = who._replace(boot_id="boot-27000000")  # of a system whose boots have no ids
    assert look(timed, me._replace(boot_id=timed.boot_id)) is ProcessSighting.OTHER_HOST


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**31])
def test_a_number_that_no_process_has_is_gone(me: Identity, pid: int) -> None:
    assert is_gone(me._replace(pid=pid), me)


def test_evidence_is_harmless_for_a_terminal(me: Identity) -> None:
    assert "\x1b" not in evidence(me._replace(host="\x1b[2Jhost"), me)


def in_namespace(*options: str) -> list[str]:
    """Lines from a process in a pid namespace of its own: its namespace, its pid, how it sees itself, and how it sees
    a child, taken for a process that started earlier."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare")
    code = (
        "import subprocess, sys\n"
        "from lanes.host.identity import this_process, look; me = this_process()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1, stderr=-3)\n"
        "print(me.pid_ns, me.pid, look(me, me).name, look(me._replace(pid=child.pid), me).name, sep='\\n')\n"
        "child.communicate()"
    )
    done = subprocess.run(
        [unshare, "--fork", "--pid", *options, sys.executable, "-c", code],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("may not make namespaces")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@linux
def test_a_process_in_another_pid_namespace_is_not_judged(me: Identity) -> None:
    namespace, *seen = in_namespace("--mount-proc")
    assert seen == ["1", "ALIVE", "REUSED"]
    assert namespace != me.pid_ns
    assert look(me._replace(pid_ns=namespace, pid=1), me) is ProcessSighting.OTHER_NAMESPACE


@linux
def test_a_proc_of_another_namespace_is_not_believed() -> None:
    _, *seen = in_namespace()
    assert seen == ["1", "ALIVE", "HIDDEN"]


def test_where_there_is_no_proc_psutil_tells(spawn: Spawn) -> None:
    child = spawn("")
    first = identity._by_psutil_or_none(child.pid)
    assert first is not None
    assert first == identity._by_psutil_or_none(child.pid)
    assert first.start_time > 0
    assert not first.ended
    end_unreaped(child)
    dead = identity._by_psutil_or_none(child.pid)
    assert dead is not None
    assert dead.ended
    child.communicate()
    assert identity._by_psutil_or_none(child.pid) is None


def test_F506_a_clock_that_is_set_is_no_restart_where_the_kernel_names_the_boot() -> None:
    """macOS moves the time of its boot with the wall clock, so that every holder of a lane would be of another boot."""
    told = {"kern.bootsessionuuid": "1F0C0A2E-5B1B-4F6A-9C7E-6C1E0E8F0001"}
    assert boot_session(told.get) == "1f0c0a2e-5b1b-4f6a-9c7e-6c1e0e8f0001"
    for missing in ({}, {"kern.bootsessionuuid": ""}):
        assert boot_session(missing.get) == f"boot-{round(psutil.boot_time() / 60)}"


def test_what_the_kernel_does_not_name_is_not_told() -> None:
    assert sysctl("kern.no_such_name") is None


#: Prints whether its parent has ended, as far as can be told, and which boot this is.
OTHER_CLOCKS = """
import sys
from lanes.host.identity import Identity, look, this_process
named = Identity(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
print(look(named, this_process()).name, this_process().boot_id == named.boot_id)
"""


@linux
@pytest.mark.parametrize(("offset", "seen"), [(0, "ALIVE True"), (1000, "OTHER_BOOT False")])
def test_F1100_other_clocks_of_the_same_boot_prove_nothing(me: Identity, offset: int, seen: str) -> None:
    """In a time namespace every start time is another one: two gateways took each other for dead."""
    clocks = ["unshare", "--time", "--fork", "--monotonic", str(offset), "--boottime", str(offset)]
    if subprocess.run([*clocks, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no time namespace can be made here")
    asked = [sys.executable, "-c", OTHER_CLOCKS, *map(str, me)]
    done = subprocess.run([*clocks, *asked], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == seen
