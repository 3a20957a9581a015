"""Values of settings: checked, converted to the program's units, and with their origin."""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from lanes.base import durations
from lanes.base.errors import ConfigError
from lanes.config.declared.refusal import refusal, shown, unknown
from lanes.config.declared.setting import Kind, Setting
from lanes_storage.tuples import NamedTuple

OFF = "off"
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NAME_LENGTH = 64
_OF_SEVERAL = frozenset({Kind.TEXTS, Kind.WORDS, Kind.TABLE, Kind.OBJECT, Kind.FIELDS})


class Origin(StrEnum):
    """The source of a value, the highest priority first; ``derived``: adjusted to fit other values."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"
    DERIVED = "derived"


EXPLICIT = frozenset({Origin.FLAG, Origin.ENVIRONMENT, Origin.FILE})


class Value(NamedTuple):
    """A checked value: durations in milliseconds, None for ``off``. ``where`` names the line or variable."""

    value: Any
    origin: Origin
    key: str
    where: str = ""

    @property
    def explicit(self) -> bool:
        """Whether someone set it."""
        return self.origin in EXPLICIT

    def refused(self, problem: str, fix: str) -> ConfigError:
        """The error that refuses this value."""
        return refusal(self.where, self.key, problem, fix)

    def unknown(self, name: str, known: Iterable[str], hint: str = "") -> ConfigError:
        """The error that refuses an unknown name in this value."""
        return unknown(self.where, self.key, name, known, hint)


def default_of(setting: Setting) -> Value:
    """The value of a setting that nobody set."""
    raw = setting.default
    value = raw if raw is None else _convert(setting, raw, "", setting.key)
    return Value(value, Origin.DEFAULT, setting.key)


def from_toml(setting: Setting, raw: Any, origin: Origin, where: str, key: str) -> Value:
    """A value from a file, a flag or a program. Raises ConfigError."""
    return Value(_convert(setting, raw, where, key), origin, key, where)


def from_text(setting: Setting, text: str, origin: Origin, where: str) -> Value:
    """A value from an environment variable. Raises ConfigError."""
    raw: Any = text
    if setting.kind is Kind.WHOLE and _WHOLE.fullmatch(text):
        raw = int(text)
    elif setting.kind is Kind.FLAG:
        raw = {"true": True, "false": False}.get(text, text)
    return from_toml(setting, raw, origin, where, setting.key)


def written(setting: Setting, value: Any) -> Any:
    """A value as it would stand in the file: durations as text, no limit as ``off``."""
    if setting.kind is Kind.LIMIT and value is None:
        return OFF
    if setting.kind in (Kind.DURATION, Kind.LIMIT) and value is not None:
        return durations.show(value)
    if setting.kind is Kind.FIELDS and value is not None:
        return {
            field.name: written(field, value[field.name]) for field in setting.fields if value[field.name] is not None
        }
    return list(value) if isinstance(value, tuple) else value


def _convert(setting: Setting, raw: Any, where: str, key: str) -> Any:
    return _CONVERTED[setting.kind](setting, raw, where, key)


def _wrong_type(setting: Setting, raw: Any, where: str, key: str, example: str) -> Exception:
    # a text may be a command or headers that hold a secret
    what = "a text" if isinstance(raw, str) and setting.kind in _OF_SEVERAL else shown(raw)
    return refusal(where, key, f"{what} is not {setting.kind}", f"write {setting.name} = {example}")


def _whole(setting: Setting, raw: Any, where: str, key: str) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        digits = isinstance(raw, str) and _WHOLE.fullmatch(raw)
        example = raw if digits else setting.default or setting.least
        raise _wrong_type(setting, raw, where, key, str(example))
    if not setting.least <= raw <= setting.most:
        fix = f"take a number from {setting.least} to {setting.most}"
        raise refusal(where, key, f"{raw} is out of range", fix)
    return raw


def _number(setting: Setting, raw: Any, where: str, key: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _wrong_type(setting, raw, where, key, str(setting.default or 1))
    if not setting.least <= raw <= setting.most:  # refuses nan and inf too
        raise refusal(where, key, f"{raw} is out of range", f"take a number from {setting.least} to {setting.most}")
    return raw


def _duration(setting: Setting, raw: Any, where: str, key: str) -> int | None:
    if not isinstance(raw, str):
        number = isinstance(raw, int) and not isinstance(raw, bool) and raw > 0
        example = f'"{raw}s", if seconds are meant' if number else f'"{setting.default or "1m"}"'
        raise _wrong_type(setting, raw, where, key, example)
    if raw == OFF:
        if setting.kind is Kind.LIMIT:
            return None
        raise refusal(where, key, "it cannot be off", f'write a duration such as "{setting.default}"')
    try:
        ms = durations.parse(raw)
    except ValueError as error:
        problem = f"{shown(raw)} is not {setting.kind}: {error}"
        raise refusal(where, key, problem, f'write, for example, "{setting.default or "1m"}"') from None
    if ms < setting.least:
        least = durations.show(setting.least)
        raise refusal(where, key, f"{shown(raw)} is too short", f"take {least} or more")
    return ms


def _choice(setting: Setting, raw: Any, where: str, key: str) -> str:
    if not isinstance(raw, str):
        raise _wrong_type(setting, raw, where, key, f'"{setting.choices[0]}"')
    if raw not in setting.choices:
        raise unknown(where, key, raw, setting.choices)
    return raw


def _texts(setting: Setting, raw: Any, where: str, key: str) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple) or not all(isinstance(item, str) and item for item in raw):
        raise _wrong_type(setting, raw, where, key, '["…", "…"]')
    for index, item in enumerate(raw):
        if setting.choices and item not in setting.choices:
            raise unknown(where, key, item, setting.choices)
        if item in raw[:index]:
            raise refusal(where, key, f"{shown(item)} is listed twice", "name it once")
    return tuple(raw)


def _words(setting: Setting, raw: Any, where: str, key: str) -> tuple[str, ...]:
    """Unlike texts, words may be empty or repeated."""
    if not isinstance(raw, list | tuple) or not all(isinstance(word, str) and "\0" not in word for word in raw):
        raise _wrong_type(setting, raw, where, key, '["…", "…"]')
    return tuple(raw)


def _flag(setting: Setting, raw: Any, where: str, key: str) -> bool:
    if not isinstance(raw, bool):
        raise _wrong_type(setting, raw, where, key, "true")
    return raw


def _table(setting: Setting, raw: Any, where: str, key: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _wrong_type(setting, raw, where, key, '{ "name" = "…" }')
    for name, value in raw.items():
        if not name.strip() or (setting.kind is Kind.TABLE and not isinstance(value, str)):
            raise refusal(where, f"{key}.{name}", f"{shown(value)} is not a text", f'write {shown(name)} = "…"')
    return raw


def _fields(setting: Setting, raw: Any, where: str, key: str) -> dict[str, Any]:
    """The value of every field, with defaults for those that are not given."""
    known = {field.name: field for field in setting.fields}
    if not isinstance(raw, dict) or not raw:
        raise _wrong_type(setting, raw, where, key, f"{{ {setting.fields[0].name} = … }}")
    for name in raw.keys() - known.keys():
        raise unknown(where, f"{key}.{name}", name, known)
    converted = {}
    for name, field in known.items():
        value = raw.get(name, field.default)
        converted[name] = None if value is None else _convert(field, value, where, f"{key}.{name}")
    return converted


def _text(setting: Setting, raw: Any, where: str, key: str) -> str:
    if not isinstance(raw, str):
        raise _wrong_type(setting, raw, where, key, '"…"')
    if not raw.strip():
        raise refusal(where, key, "it is empty", "give it a value or leave it out")
    if setting.kind is Kind.NAME and (len(raw) > _NAME_LENGTH or not raw.isprintable()):
        raise refusal(where, key, f"it is not {setting.kind}", "choose a plain, short one")  # it may be a secret
    return raw


#: The function that checks and converts a value of each kind, or raises ConfigError.
_CONVERTED: dict[Kind, Callable[[Setting, Any, str, str], Any]] = {
    Kind.TEXT: _text,
    Kind.PATH: _text,
    Kind.NAME: _text,
    Kind.WHOLE: _whole,
    Kind.NUMBER: _number,
    Kind.DURATION: _duration,
    Kind.LIMIT: _duration,
    Kind.CHOICE: _choice,
    Kind.TEXTS: _texts,
    Kind.WORDS: _words,
    Kind.FLAG: _flag,
    Kind.TABLE: _table,
    Kind.OBJECT: _table,
    Kind.FIELDS: _fields,
}
