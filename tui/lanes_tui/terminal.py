"""What the terminal can show: signs beyond ASCII, colours, a light ground. It is asked before the screen is taken."""

import os
import re
import select
import termios
import time
import tty
from collections.abc import Callable, Mapping
from typing import NamedTuple

#: Terminals with 256 signs or fewer, and 16 colours.
_POOR = frozenset({"linux", "vt100", "vt102", "vt220", "ansi", "dumb", "cons25"})
#: How long an answer is waited for: over a slow line it must not come when keys are expected.
_PATIENCE_S = 1.0
#: The colour of the ground; then what the terminal is, which every terminal answers: without the first, it has none.
_QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
_GROUND = re.compile(rb"\x1b\]11;rgb:([0-9a-fA-F]{2,4})/([0-9a-fA-F]{2,4})/([0-9a-fA-F]{2,4})")
_WHAT = re.compile(rb"\x1b\[\?[0-9;]*c")


class TerminalTraits(NamedTuple):
    """What is known of a terminal. ``poor``: its 16 colours are its own."""

    ascii: bool = False
    poor: bool = False
    light: bool = False


#: Of a terminal that can show everything, on a dark ground.
ABLE = TerminalTraits()


def traits_of(env: Mapping[str, str], query: Callable[[], bytes] = lambda: b"") -> TerminalTraits:
    """What the environment says of the terminal; ``query`` gives its answer where that says nothing of the ground."""
    locale = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "utf-8").lower()
    poor = env.get("TERM", "") in _POOR
    ascii_only = poor or not ("utf-8" in locale or "utf8" in locale)
    return TerminalTraits(ascii_only, poor, not poor and _is_light(env.get("COLORFGBG", ""), query))


def _is_light(colours: str, query: Callable[[], bytes]) -> bool:
    ground = colours.rpartition(";")[2]
    if ground.isdecimal():  # of sixteen: white, and the bright ones besides dark grey
        return int(ground) == 7 or int(ground) > 8
    found = _GROUND.search(query())
    if found is None:
        return False
    red, green, blue = (int(part, 16) / float(16 ** len(part) - 1) for part in found.groups())
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)


def query_terminal(fd: int) -> bytes:
    """The answer of the terminal at ``fd``; empty where keys wait to be read, which must not be lost."""
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd, termios.TCSANOW)
    answer = b""
    try:
        if select.select([fd], [], [], 0)[0]:
            return answer
        os.write(fd, _QUESTION)
        until = time.monotonic() + _PATIENCE_S
        while _WHAT.search(answer) is None and (left := until - time.monotonic()) > 0:
            if select.select([fd], [], [], left)[0]:
                answer += os.read(fd, 1024)
    finally:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    return answer
