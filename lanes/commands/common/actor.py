"""The actor of a command, as the journal shows it."""

import os
import sys


def actor() -> str:
    """``alice@host pts/3``: the user, the host, and the terminal where there is one."""
    return f"{_user()}@{os.uname().nodename}{_terminal()}"


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user id of a container that has no name there
        return f"uid{os.getuid()}"


def _terminal() -> str:
    for stream in (sys.stdin, sys.stderr, sys.stdout):
        try:
            return " " + os.ttyname(stream.fileno()).removeprefix("/dev/")
        except (AttributeError, OSError, ValueError):  # closed, or no terminal
            continue
    return ""
