"""What a person chose, kept from one day to the next in ``lanes/dashboard.toml`` of their configuration directory.

A file that is missing, broken or written by another version never keeps the dashboard from starting: what cannot be
read is as if it had not been chosen. A broken file is left as it is.
"""

import contextlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lanes.config.declared.places import config_dir, make_private
from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.display.columns import ORDER, USUAL

T = TypeVar("T")
#: How often the source is looked at, in seconds; ``+`` and ``-`` go through these.
RATES = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
HEAD = "# Written by the dashboard of lanes. Delete a line, or the file, for what is usual.\n"


@dataclass(slots=True)
class Settings:
    """What was chosen. ``path`` None: it is not kept."""

    path: Path | None = None
    columns: tuple[str, ...] = USUAL
    order: LaneOrder = field(default_factory=LaneOrder)
    refresh_s: float = 1.0
    theme: str | None = None
    ascii: bool = False
    local_time: bool = False
    broken: str | None = None  # why the file could not be read
    others: dict[str, Any] = field(default_factory=dict)  # what the file says besides

    def save(self) -> None:
        """Keep it. Where that cannot be done, it holds until the dashboard is left."""
        if self.path is None or self.broken is not None:
            return
        chosen = self.others | {
            "columns": list(self.columns),
            "sort": str(self.order.by),
            "reverse": self.order.reverse,
            "refresh": self.refresh_s,
            "ascii": self.ascii,
            "local_time": self.local_time,
            **({} if self.theme is None else {"theme": self.theme}),
        }
        text = HEAD + "".join(f"{name} = {_written(value)}\n" for name, value in chosen.items())
        draft = self.path.with_suffix(".new")
        with contextlib.suppress(OSError):
            make_private(self.path.parent)
            draft.write_text(text, encoding="utf-8")
            draft.replace(self.path)


def settings_path(*, env: Mapping[str, str] | None = None) -> Path:
    """Where it is kept."""
    return config_dir(env=env) / "dashboard.toml"


def load(path: Path) -> Settings:
    """What was chosen, as far as it can be read."""
    settings = Settings(path)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return settings
    except (OSError, ValueError) as error:
        settings.broken = f"{path}: {error}"
        return settings
    settings.columns = _taken(found, "columns", _columns, USUAL)
    by = _taken(found, "sort", LaneSort, LaneSort.ATTENTION)
    settings.order = LaneOrder(by, _taken(found, "reverse", bool, False))
    settings.refresh_s = _taken(found, "refresh", _rate, 1.0)
    settings.theme = _taken(found, "theme", str, None)
    settings.ascii = _taken(found, "ascii", bool, False)
    settings.local_time = _taken(found, "local_time", bool, False)
    settings.others = {name: value for name, value in found.items() if _is_plain(value)}
    return settings


def _taken(found: dict[str, Any], name: str, read: Callable[[Any], T], usual: T) -> T:
    try:
        return read(found.pop(name)) if name in found else usual
    except (ValueError, TypeError):
        return usual


def _columns(value: Any) -> tuple[str, ...]:
    names = tuple(name for name in ORDER if name in value)
    if not isinstance(value, list) or not names:
        raise ValueError(value)
    return names


def _rate(value: Any) -> float:
    return min(RATES, key=lambda rate: abs(rate - float(value)))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" if c in '"\\' or not c.isprintable() else c for c in value) + '"'
    return str(value)
