"""Approval by a person of the code that a configuration file names."""

import contextlib
import json
import os
import shlex
from pathlib import Path

from lanes.base.errors import ConfigError
from lanes.config.config import Config
from lanes.config.declared import places
from lanes.config.declared.values import Origin, Value
from lanes_storage.reads.shapes import parsed

#: Settings that name code for a gateway to run.
CODE = frozenset(
    {
        "runner.argv",
        "runner.resume",
        "runner.wrap",
        "runner.target",
        "hooks.before_run",
        "hooks.after_run",
        "hooks.notice",
        "alert.command",
    }
)


def refuse_found_code(config: Config) -> None:
    """Refuse code from a configuration file that was only found in the current folder.

    A file that was once named explicitly, and has not changed since, is accepted. Raises ConfigError.
    """
    if config.source is None or not config.found_here or _remembered().get(_name(config.source)) == _digest(config):
        return
    for value in _code(config):
        problem = f"it runs {value.value!r}, but {config.source} was found in this folder, not named"
        command = shlex.join(["lanes", "gateway", "--config", config.source.name])
        raise value.refused(problem, f"read the file, then name it once: `{command}`")


def needs_naming(config: Config) -> bool:
    """Whether a gateway would refuse its code until a person names the file."""
    try:
        refuse_found_code(config)
    except ConfigError:
        return True
    return False


def remember(config: Config) -> None:
    """Record that a person named this file, so that its present content is accepted when it is only found, too.

    Raises OSError where the state directory cannot be written.
    """
    if config.source is None or not _code(config):
        return
    known, name, digest = _remembered(), _name(config.source), _digest(config)
    if known.get(name) == digest:
        return
    from lanes.host.files import put

    path = _notes()
    places.make_private(path.parent)
    put(path, json.dumps(known | {name: digest}, indent=1))


def _code(config: Config) -> list[Value]:
    return [value for key, value in config.every_value() if key in CODE and value.value and value.origin is Origin.FILE]


def _digest(config: Config) -> str:
    """A hash of the file's content."""
    from hashlib import sha256

    return sha256(config.content).hexdigest()


def _name(path: Path) -> str:
    return os.path.realpath(path)


def _notes() -> Path:
    return places.state_dir() / "trusted.json"


def _remembered() -> dict[str, str]:
    with contextlib.suppress(OSError):
        found = parsed(_notes().read_bytes(), dict) or {}
        return {str(path): str(digest) for path, digest in found.items()}
    return {}
