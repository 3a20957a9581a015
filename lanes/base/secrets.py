"""Which values are secrets, judged by their names: parameters of a URL, headers and settings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

#: A pattern for the part of a name that marks its value as a secret.
SECRET_NAME = "(?:key|token|secret|passw|pwd|credential|cookie|sig|auth(?!or(?!i)))"
SHOWN = "***"
#: A shorter word is no secret ("Bearer", "ollama"); redacting it would also mutilate names of models.
SHORTEST = 8

_NAMES_SECRET = re.compile(SECRET_NAME, re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a value of that name is a secret."""
    return _NAMES_SECRET.search(name) is not None


def without_secrets(table: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a configuration table with its secrets hidden, to be shown and stored."""
    return {name: SHOWN if is_secret(name) else _inside(value) for name, value in table.items()}


def _inside(value: Any) -> Any:
    return without_secrets(value) if isinstance(value, dict) else value


def command_without_secrets(words: Sequence[str]) -> list[str]:
    """The words of a command to be shown and stored, with secrets hidden: the value of ``KEY=…`` or of ``--token``."""
    shown = list[str]()
    for before, word in zip(("", *words), words, strict=False):
        name, equals, value = word.partition("=")
        if not equals:
            name, value = (before, word) if before.startswith("-") and "=" not in before else ("", word)
        hidden = is_secret(name) and len(value) >= SHORTEST
        shown.append(f"{name}={SHOWN}" if hidden and equals else SHOWN if hidden else word)
    return shown


def words_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The words of those values whose names mark them as secrets."""
    return [word for name, value in pairs if is_secret(name) for word in value.split() if len(word) >= SHORTEST]


def in_query(url: str) -> list[str]:
    """The secrets in the query of a URL, both as written there and decoded."""
    query = urlsplit(url).query
    raw = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
    return [*dict.fromkeys(words_of([*raw, *parse_qsl(query)]))]
