"""An agent that leaves behind whatever it can. Its folder holds ``pids``: every process that it started, itself first.

A child; a grandchild in a session by itself that holds stdout; one that ignores SIGTERM; one that was forked twice,
cleared its environment and closed everything. ``overlap`` is made where a process of an earlier run still lives. With
``leave`` as its argument it ends by itself, and leaves them all; with ``leave when told`` once there is a file
``leave``; otherwise it waits.
"""

import os
import signal
import sys
import time
from pathlib import Path


def note(pid: int) -> None:
    with Path("pids.new").open("a", encoding="ascii") as file:
        start_time = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        file.write(f"{pid} {start_time}\n")


def start(*, session: bool = False, ignores: bool = False) -> None:
    pid = os.fork()
    if pid == 0:
        if session:
            os.setsid()
        if ignores:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it stays ignored
        os.execvp("sleep", ["sleep", "600"])
    note(pid)


def daemon() -> None:
    """Forked twice, in a session by itself, without an environment and with everything closed."""
    told, tells = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            os.closerange(0, 64)
            os.execve("/bin/sleep", ["sleep", "600"], {})
        os.write(tells, str(pid).encode())
        os._exit(0)
    os.wait()
    note(int(os.read(told, 64)))


def lives(line: str) -> bool:
    pid, start_time = line.split()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[19] == start_time and fields[0] not in "ZX"


pids = Path("pids")
if pids.exists() and any(lives(line) for line in pids.read_text(encoding="ascii").splitlines()):
    Path("overlap").touch()
Path("pids.new").unlink(missing_ok=True)
note(os.getpid())
start()
start(session=True)
start(ignores=True)
daemon()
Path("pids.new").rename(pids)
sys.stdout.write("the tree stands\n")
sys.stdout.flush()
if "leave when told" in sys.argv:
    while not Path("leave").exists():
        time.sleep(0.01)
    Path("leave").unlink()
elif "leave" not in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
