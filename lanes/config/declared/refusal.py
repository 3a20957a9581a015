"""Errors that refuse a configuration: where, which key, what is wrong, what to do."""

from collections.abc import Iterable

from lanes.base.errors import ConfigError
from lanes.base.terminal import clean


def refusal(where: str, key: str, problem: str, fix: str) -> ConfigError:
    """The error ``lanes.toml:12: clocks.run_timout: unknown key; write run_timeout``, escaped for a terminal."""
    parts = (where, key, problem)
    return ConfigError(clean(": ".join(part for part in parts if part) + f"; {fix}"))


def unknown(where: str, key: str, name: str, known: Iterable[str], hint: str = "") -> ConfigError:
    """The error for an unknown name; the fix is a similar name, else the hint, else all known names."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        fix = f"did you mean {close[0]}?"
    else:
        fix = hint or (f"known are {', '.join(names)}" if names else "no name is possible here")
    return refusal(where, key, f"unknown name {shown(name)}", fix)


def shown(value: object) -> str:
    """A value as an error shows it: shortened, and as TOML writes it. The content of a table or list, which may be a
    secret, is not shown.
    """
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
