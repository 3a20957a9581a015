"""An agent that does what it should not: ``hostile.py WHAT``. Processes that it starts sleep 600 s in its folder."""

import os
import signal
import sys
import time


def sleeper() -> None:
    if os.fork() == 0:
        os.setsid()
        os.execvp("sleep", ["sleep", "600"])


def respawn(*, sessions: bool) -> None:
    """A process that is another one at every moment."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        while os.fork() == 0:
            if sessions:
                os.setsid()
        os._exit(0)


def many() -> None:
    for _ in range(200):
        sleeper()


match sys.argv[1]:
    case "respawn":
        respawn(sessions=False)
    case "respawn in sessions":
        respawn(sessions=True)
    case "many":
        many()
    case "kill the keeper":
        sleeper()
        os.kill(os.getppid(), signal.SIGKILL)
    case "stop the keeper":
        sleeper()
        os.kill(os.getppid(), signal.SIGSTOP)
    case "stop":
        sleeper()
        sys.stdout.write("stopped\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSTOP)
sys.stdout.write("begun\n")
sys.stdout.flush()
time.sleep(600)
