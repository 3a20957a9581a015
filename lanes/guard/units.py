"""The unit that starts the gateway of a user: of systemd, or of launchd."""

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

_SYSTEMD = """\
[Unit]
Description=lanes gateway

[Service]
ExecStart={program} gateway --config {config}
Restart=always
RestartSec=1

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
<key>RunAtLoad</key><true/>
<key>KeepAlive</key><true/>
</dict></plist>
"""


class ServiceUnit(NamedTuple):
    """A file, and the command with which it takes effect."""

    path: Path
    text: str
    start: tuple[str, ...]
    stop: tuple[str, ...]


def unit(config: Path) -> ServiceUnit | None:
    """The unit of this system; None where there is neither systemd nor launchd."""
    program = shutil.which("lanes") or str(Path(sys.executable).with_name("lanes"))
    home = Path(os.environ.get("HOME", str(Path.home())))
    if sys.platform == "darwin":
        path = home / "Library" / "LaunchAgents" / "lanes.gateway.plist"
        text = _LAUNCHD.format(program=escape(program), config=escape(str(config)))
        return ServiceUnit(path, text, ("launchctl", "load", "-w", str(path)), ("launchctl", "unload", "-w", str(path)))
    if shutil.which("systemctl") is None:
        return None
    path = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user" / "lanes.service"
    user = ("systemctl", "--user")
    text = _SYSTEMD.format(program=_quoted(program), config=_quoted(str(config)))
    return ServiceUnit(path, text, (*user, "enable", "--now", path.name), (*user, "disable", "--now", path.name))


def _quoted(word: str) -> str:
    """A word of a command line in a unit."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
