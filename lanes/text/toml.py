"""TOML as lanes writes it."""

from collections.abc import Mapping


def toml_text(text: str) -> str:
    """A text in quotes."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def toml_table(header: str, values: Mapping[str, str]) -> str:
    """A table with an empty line before it; ``header``: ``[name]``, or ``[[name]]`` for one of an array."""
    return "\n".join(["", header, *(f"{name} = {toml_text(value)}" for name, value in values.items())]) + "\n"


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
