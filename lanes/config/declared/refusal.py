"""The sentences with which a configuration is refused: where, which key, what is wrong, what to do."""

from collections.abc import Iterable

from lanes.base.errors import ConfigError
from lanes.base.terminal import clean


def refusal(where: str, key: str, problem: str, fix: str) -> ConfigError:
    """``lanes.toml:12: clocks.run_timout: unknown key; write run_timeout``, harmless for a terminal."""
    parts = (where, key, problem)
    return ConfigError(clean(": ".join(part for part in parts if part) + f"; {fix}"))


def unknown(where: str, key: str, name: str, known: Iterable[str], hint: str = "") -> ConfigError:
    """The refusal of a name that does not exist; the fix is a close name, the hint, or the whole choice."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(name, names, n=1)
    if close:
        fix = f"did you mean {close[0]}?"
    else:
        fix = hint or (f"known are {', '.join(names)}" if names else "there is none to name")
    return refusal(where, key, f"unknown name {shown(name)}", fix)


def shown(value: object) -> str:
    """A value as an error shows it: short, on one line, and as TOML writes it. What is in a table or a list is not
    shown: it may be a secret.
    """
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
