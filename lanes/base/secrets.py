"""What is a secret by its name: a parameter of an address, a header or a setting that carries a key."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

#: A part of the name of what carries a key.
SECRET_NAME = "(?:key|token|secret|passw|pwd|credential|cookie|sig|auth(?!or(?!i)))"
SHOWN = "***"
#: A shorter word is no secret ("Bearer", "ollama"), and would be missing in the names of models.
SHORTEST = 8

_NAMES_SECRET = re.compile(SECRET_NAME, re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether what has that name is a secret."""
    return _NAMES_SECRET.search(name) is not None


def without_secrets(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of a configuration as it may be shown and stored."""
    return {name: SHOWN if is_secret(name) else _inside(value) for name, value in table.items()}


def _inside(value: Any) -> Any:
    return without_secrets(value) if isinstance(value, dict) else value


def command_without_secrets(words: Sequence[str]) -> list[str]:
    """The words of a command as they may be shown and stored: without the value of ``KEY=…`` or of ``--token``."""
    shown = list[str]()
    for before, word in zip(("", *words), words, strict=False):
        name, equals, value = word.partition("=")
        if not equals:
            name, value = (before, word) if before.startswith("-") and "=" not in before else ("", word)
        hidden = is_secret(name) and len(value) >= SHORTEST
        shown.append(f"{name}={SHOWN}" if hidden and equals else SHOWN if hidden else word)
    return shown


def words_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The words of the values that are secrets by their names."""
    return [word for name, value in pairs if is_secret(name) for word in value.split() if len(word) >= SHORTEST]


def in_query(url: str) -> list[str]:
    """The secrets in the query of an address, as they stand there, and decoded."""
    query = urlsplit(url).query
    raw = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
    return [*dict.fromkeys(words_of([*raw, *parse_qsl(query)]))]
