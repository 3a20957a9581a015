"""The unit that starts the gateway of a user: of systemd, or of launchd."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from lanes.config import Config

#: systemd would give up after five quick ends, and send SIGTERM to the agents of a gateway that is to drain.
_SYSTEMD = """\
[Unit]
Description=lanes gateway
StartLimitIntervalSec=0

[Service]
ExecStart={program} gateway --config {config}
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
<array><string>{program}</string><string>gateway</string><string>--config</string><string>{config}</string></array>
<key>EnvironmentVariables</key><dict>{environment}</dict>
<key>RunAtLoad</key><true/>
<key>KeepAlive</key><true/>
</dict></plist>
"""


#: Where lanes keeps things, besides what settings say.
_PLACES = ("XDG_CONFIG_HOME", "XDG_STATE_HOME")


class ServiceUnit(NamedTuple):
    """A file, and the commands with which it takes effect, and tells how it is."""

    path: Path
    text: str
    start: tuple[str, ...]
    stop: tuple[str, ...]
    restart: tuple[str, ...]
    status: tuple[str, ...]


def unit(config: Path, environment: Mapping[str, str] = MappingProxyType({})) -> ServiceUnit | None:
    """The unit of this system; None where there is neither systemd nor launchd."""
    program = shutil.which("lanes") or str(Path(sys.executable).with_name("lanes"))
    home = Path(os.environ.get("HOME", str(Path.home())))
    if sys.platform == "darwin":
        return _launchd(home, program, str(config), environment)
    if shutil.which("systemctl") is None:
        return None
    path = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user" / "lanes.service"
    variables = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in environment.items())
    argument = _quoted(str(config)).replace("$", "$$")  # of the first word, and of variables, nothing is replaced
    text = _SYSTEMD.format(program=_quoted(program), config=argument, environment=variables)
    enable, disable, restart, status = (
        ("systemctl", "--user", *words, path.name)
        for words in (("enable", "--now"), ("disable", "--now"), ("restart",), ("status",))
    )
    return ServiceUnit(path, text, enable, disable, restart, status)


def environment_of(config: "Config") -> dict[str, str]:
    """What a unit has to be told of this shell: where things are, and the settings that variables and options make.

    Other variables, such as keys, stay here.
    """
    from lanes.config import SETTINGS, Origin
    from lanes.config.declared.values import written

    told = {name: os.environ[name] for name in _PLACES if os.environ.get(name)}
    for setting in SETTINGS:
        value = config.values.get(setting.key)
        if setting.variable and value is not None and value.origin in (Origin.ENVIRONMENT, Origin.FLAG):
            text = str(written(setting, value.value))
            told[setting.variable] = text.lower() if isinstance(value.value, bool) else text
    return told


def _launchd(home: Path, program: str, config: str, environment: Mapping[str, str]) -> ServiceUnit:
    path = home / "Library" / "LaunchAgents" / "lanes.gateway.plist"
    variables = "".join(f"<key>{name}</key><string>{escape(value)}</string>" for name, value in environment.items())
    text = _LAUNCHD.format(program=escape(program), config=escape(config), environment=variables)
    load, unload = (("launchctl", verb, "-w", str(path)) for verb in ("load", "unload"))
    restart = ("launchctl", "kickstart", "-k", f"gui/{os.getuid()}/lanes.gateway")
    return ServiceUnit(path, text, load, unload, restart, ("launchctl", "list", "lanes.gateway"))


def _quoted(word: str) -> str:
    """A word of a line in a unit."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'
