"""Finds out what the terminal can show, before the dashboard starts: non-ASCII symbols, colours, its background."""

import os
import re
import select
import termios
import time
import tty
from collections.abc import Callable, Mapping
from typing import NamedTuple

#: Terminals with at most 256 characters and 16 colours.
_POOR = frozenset({"linux", "vt100", "vt102", "vt220", "ansi", "dumb", "cons25"})
#: How long to wait for the answer, in seconds: one that came later over a slow line would be read as keys.
_PATIENCE_S = 1.0
#: Asks for the background colour, then for the type, which every terminal answers, also one that ignores the first.
_QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
_GROUND = re.compile(rb"\x1b\]11;rgb:([0-9a-fA-F]{2,4})/([0-9a-fA-F]{2,4})/([0-9a-fA-F]{2,4})")
_WHAT = re.compile(rb"\x1b\[\?[0-9;]*c")


class TerminalTraits(NamedTuple):
    """What a terminal can show. ``ascii``: no more than ASCII; ``poor``: 16 colours; ``light``: a light background."""

    ascii: bool = False
    poor: bool = False
    light: bool = False


#: A terminal that can show everything, on a dark background.
ABLE = TerminalTraits()


def traits_of(env: Mapping[str, str], query: Callable[[], bytes] = lambda: b"") -> TerminalTraits:
    """The traits by the environment. ``query`` asks the terminal, if the environment does not tell the background."""
    locale = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "utf-8").lower()
    poor = env.get("TERM", "") in _POOR
    ascii_only = poor or not ("utf-8" in locale or "utf8" in locale)
    return TerminalTraits(ascii_only, poor, not poor and _is_light(env.get("COLORFGBG", ""), query))


def _is_light(colours: str, query: Callable[[], bytes]) -> bool:
    ground = colours.rpartition(";")[2]
    if ground.isdecimal():  # of 16 colours, light are white (7) and the bright ones except dark grey (8)
        return int(ground) == 7 or int(ground) > 8
    found = _GROUND.search(query())
    if found is None:
        return False
    red, green, blue = (int(part, 16) / float(16 ** len(part) - 1) for part in found.groups())
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)


def query_terminal(fd: int) -> bytes:
    """The answer of the terminal at ``fd``. Empty if keys wait to be read there: they must not be lost."""
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
