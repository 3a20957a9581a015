"""TOML as lanes writes it."""

import re
from collections.abc import Mapping

from lanes.base.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(text: str) -> str:
    """A text in quotes."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def toml_table(header: str, values: Mapping[str, object]) -> str:
    """A table with an empty line before it; ``header``: ``[name]``, or ``[[name]]`` for one of an array.
    Raises ConfigError."""
    return "\n".join(["", header, *(_pair(name, value) for name, value in values.items())]) + "\n"


def _pair(name: str, value: object) -> str:
    return f"{name if _BARE.fullmatch(name) else toml_text(name)} = {toml_value(value)}"


def toml_value(value: object) -> str:
    """A value. Raises ConfigError."""
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(_pair(name, each) for name, each in value.items())} }}"
    raise ConfigError(f"lanes cannot write a {type(value).__name__} into a file")


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
