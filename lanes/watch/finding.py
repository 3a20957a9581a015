"""Finds gateways of other programs among the processes of this user (Linux).

``find_gateways`` looks at processes alone. The caller asks the user before it reads a token from a program's
configuration or environment.
"""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from lanes.base.errors import ConfigError
from lanes.config.declared.setting import WATCHED
from lanes.guard import jsontext
from lanes.guard.programs import OpenClawHome, openclaw_home
from lanes.host.holder import ports_of, processes, words_of
from lanes.watch.reading import typed

#: The command line of each kind of gateway. OpenClaw renames its process, 2026.5 to ``openclaw`` alone. A folder of
#: that name must not match.
_KINDS = {
    "openclaw": re.compile(r"^openclaw(?:-gateway)?\s*$|(?:^|[ /])openclaw(?:\.mjs)?(?: \S+)* gateway\b"),
    "opencode": re.compile(r"\bopencode\b.*\bserve\b"),
    "codex": re.compile(r"\bcodex\b.*\bapp-server\b"),
    "langgraph": re.compile(r"\blanggraph\b.*\b(?:dev|up)\b|\blanggraph_api\b"),
}
#: The largest configuration that is read.
MOST_BYTES = 4 * 1024 * 1024


class FoundGateway(NamedTuple):
    """A gateway that runs: its kind, process and address."""

    kind: str
    pid: int
    url: str


def find_gateways(kind: str | None = None) -> list[FoundGateway]:
    """The gateways that run as processes of this user and listen on a port."""
    found = []
    for pid in processes():
        command_line = " ".join(words_of(pid))
        for name in kinds_of(command_line):
            if kind in (None, name):
                ports = sorted(
                    ports_of(pid), key=lambda port: str(port) not in command_line
                )  # a port of its command line comes first
                found += [FoundGateway(name, pid, f"{WATCHED[name][0]}://127.0.0.1:{port}") for port in ports[:1]]
                break
    return found


def kinds_of(command_line: str) -> list[str]:
    """The kinds of gateway that a command line may belong to."""
    return [name for name, words in _KINDS.items() if words.search(command_line)]


def home_of_openclaw(pid: int | None) -> OpenClawHome:
    """The folders of OpenClaw for the environment of that process; without one, for the environment of this one."""
    return (
        openclaw_home(os.environ, Path()) if pid is None else openclaw_home(_environment(pid), _working_directory(pid))
    )


def openclaw_token(config: Path, pid: int | None) -> str | None:
    """The shared token of a gateway, from its environment or its configuration; None if neither has it."""
    env = _environment(pid) if pid is not None else {}
    if token := env.get("OPENCLAW_GATEWAY_TOKEN"):
        return token
    try:
        if config.stat().st_size > MOST_BYTES:
            return None
        form: Any = jsontext.parse(config.read_text(encoding="utf-8", errors="replace")).value
    except (OSError, ConfigError, RecursionError):
        return None
    for name in ("gateway", "auth"):
        form = typed(form, name, dict, {})
    token = typed(form, "token", str, "")
    return token if token and not token.startswith("$") else None


def opencode_password(pid: int) -> str | None:
    """The password of a server, from the environment of its process; ``USER:PASSWORD`` if a user is set there, too."""
    env = _environment(pid)
    user, password = env.get("OPENCODE_SERVER_USERNAME"), env.get("OPENCODE_SERVER_PASSWORD")
    return f"{user}:{password}" if user and password else password


def codex_token_file(pid: int) -> Path | None:
    """The file of the capability token of a server, from its command line."""
    named = words_of(pid)
    for flag, value in zip(named, [*named[1:], ""], strict=True):
        name, _, joined = flag.partition("=")
        if name == "--ws-token-file":
            return _working_directory(pid) / (joined or value)
    return None


def _working_directory(pid: int) -> Path:
    """The working directory of a process, for its relative paths; an empty path if it is not known."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return Path()


def _environment(pid: int) -> dict[str, str]:
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (each.decode(errors="replace").partition("=") for each in data.split(b"\0") if b"=" in each)
    return {name: value for name, _, value in pairs}
