"""Secrets: named in the configuration, never written there, and never shown."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from lanes.base.errors import ConfigError
from lanes.config.declared.values import Value

#: Names under which people may try to write a secret itself.
NAMED_INSTEAD = frozenset({"token", "api_key"})


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret(NamedTuple):
    """A secret, the name of its variable or file, and the error if it is named but missing.

    Only a process that needs the secret reports the error: an operator's command works in a shell without it.
    """

    value: str | None = None
    name: str = ""
    problem: ConfigError | None = None


class SecretReader:
    """Finds the secrets that a configuration names. ``problems``: the errors for those that are missing."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[ConfigError] = []

    def find(self, settings: Mapping[str, Value], name: str) -> Secret:
        """The secret that the settings ``name_env`` or ``name_file`` name. Raises ConfigError if both are set."""
        secret = resolve(settings[f"{name}_env"], settings[f"{name}_file"], self._env)
        if secret.problem:
            self.problems.append(secret.problem)
        return secret


def resolve(by_env: Value, by_file: Value, env: Mapping[str, str]) -> Secret:
    """The secret that a ``*_env`` or ``*_file`` setting names. Raises ConfigError if both are set."""
    if by_env.explicit and by_file.explicit:
        raise by_file.refused(f"contradicts {by_env.key} ({by_env.where})", "keep one of the two")
    if by_file.value is not None:
        return _from_file(by_file)
    if by_env.value is None:
        return Secret()
    if not _VARIABLE.fullmatch(by_env.value):  # not shown: it may be the secret itself
        fix = f"write the name of a variable, or use {by_env.key.removesuffix('_env')}_file"
        raise by_env.refused("no environment variable can have that name", fix)
    text = env.get(by_env.value, "").strip()
    if text:
        return _checked(by_env, text, by_env.value)
    if not by_env.explicit:
        return Secret()
    problem = f"the environment variable {by_env.value} is not set"
    return Secret(problem=by_env.refused(problem, f"set it, or take {by_env.key} out"))


def _from_file(setting: Value) -> Secret:
    path = Path(setting.value)
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        return Secret(problem=setting.refused(f"{path} is not UTF-8", "save it as UTF-8"))
    except (OSError, ValueError) as error:  # no such file, no possible path
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        return Secret(problem=setting.refused(f"{path} cannot be read ({why})", "check its path and mode"))
    if not text:
        return Secret(problem=setting.refused(f"{path} is empty", "write the secret there"))
    return _checked(setting, text, path.name)


def _checked(setting: Value, text: str, name: str) -> Secret:
    if text.isascii() and text.isprintable():
        return Secret(text, name)
    problem = "the secret holds characters that no HTTP header carries"
    return Secret(problem=setting.refused(problem, "write one line of printable ASCII"))
