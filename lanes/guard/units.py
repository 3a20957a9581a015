"""The unit that starts the gateway of a user: of systemd, or of launchd."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from lanes.config.declared.places import home_dir

if TYPE_CHECKING:
    from lanes.config import Config

#: By default, systemd would give up after five quick ends (StartLimitIntervalSec), and at a stop also send SIGTERM to
#: the agents of a gateway, which drains (KillMode).
_SYSTEMD = """\
[Unit]
Description=lanes gateway
StartLimitIntervalSec=0

[Service]
ExecStart={program} {command}
{environment}Restart=always
RestartSec=1
KillMode=mixed

[Install]
WantedBy=default.target
"""
_LAUNCHD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key><string>lanes.gateway</string>
<key>ProgramArguments</key>
<array><string>{program}</string>{command}</array>
<key>EnvironmentVariables</key><dict>{environment}</dict>
<key>RunAtLoad</key><true/>
<key>KeepAlive</key><true/>
</dict></plist>
"""


_DATABASE = "LANES_DATABASE_URL"
#: Variables, besides those of settings, that say where lanes keeps its files.
_PLACES = ("XDG_CONFIG_HOME", "XDG_STATE_HOME")


class ServiceUnit(NamedTuple):
    """The file of a unit, and the commands that control it. ``expected_lines``: the parts of its text that name the
    configuration and the variables. ``start`` enables the unit as well, ``stop`` disables it; ``again`` only starts it.
    """

    path: Path
    text: str
    expected_lines: tuple[str, ...]
    start: tuple[str, ...]
    again: tuple[str, ...]
    stop: tuple[str, ...]
    restart: tuple[str, ...]
    status: tuple[str, ...]


def unit(config: Path, environment: Mapping[str, str] = MappingProxyType({})) -> ServiceUnit | None:
    """The unit of this system; None where there is neither systemd nor launchd."""
    program = shutil.which("lanes") or str(Path(sys.executable).with_name("lanes"))
    home = home_dir()
    if sys.platform == "darwin":
        return _launchd(home, program, str(config), environment)
    if shutil.which("systemctl") is None:
        return None
    path = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user" / "lanes.service"
    variables = [f"Environment={_quoted(f'{name}={value}')}\n" for name, value in environment.items()]
    argument = _quoted(str(config)).replace("$", "$$")  # systemd expands $ in arguments alone
    command = f"gateway --config {argument}"
    text = _SYSTEMD.format(program=_quoted(program), command=command, environment="".join(variables))
    words = (("enable", "--now"), ("start",), ("disable", "--now"), ("restart",), ("status",))
    commands = (("systemctl", "--user", *each, path.name) for each in words)
    return ServiceUnit(path, text, (command, *variables), *commands)


def installed(config: Path, database: str | None) -> ServiceUnit | None:
    """The unit that was installed, if its gateway has that configuration file and that database (None: the one that
    the file names)."""
    found = unit(Path(os.path.realpath(config)), {} if database is None else {_DATABASE: database})
    try:
        there = "" if found is None else found.path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if found is None or not all(each in there for each in found.expected_lines):
        return None
    return found if database is not None or _DATABASE not in there else None


def environment_of(config: "Config") -> dict[str, str]:
    """The variables of this shell for a unit: where files are, and the settings that come from variables and options.

    Other variables, such as keys, are left out.
    """
    from lanes.config import SETTINGS, Origin
    from lanes.config.declared.values import written

    variables = {name: os.environ[name] for name in _PLACES if os.environ.get(name)}
    for setting in SETTINGS:
        value = config.values.get(setting.key)
        if setting.variable and value is not None and value.origin in (Origin.ENVIRONMENT, Origin.FLAG):
            text = str(written(setting, value.value))
            variables[setting.variable] = text.lower() if isinstance(value.value, bool) else text
    return variables


def _launchd(home: Path, program: str, config: str, environment: Mapping[str, str]) -> ServiceUnit:
    from xml.sax.saxutils import escape  # it imports all of urllib, and only macOS needs it

    path = home / "Library" / "LaunchAgents" / "lanes.gateway.plist"
    variables = [f"<key>{name}</key><string>{escape(value)}</string>" for name, value in environment.items()]
    command = "".join(f"<string>{escape(word)}</string>" for word in ("gateway", "--config", config))
    text = _LAUNCHD.format(program=escape(program), command=command, environment="".join(variables))
    load, unload = (("launchctl", verb, "-w", str(path)) for verb in ("load", "unload"))
    again, restart = (("launchctl", "kickstart", *how, f"gui/{os.getuid()}/lanes.gateway") for how in ((), ("-k",)))
    status = ("launchctl", "list", "lanes.gateway")
    return ServiceUnit(path, text, (command, *variables), load, again, unload, restart, status)


def _quoted(word: str) -> str:
    """A word, quoted for a line of a unit."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'
