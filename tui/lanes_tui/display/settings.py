"""The settings of the dashboard, kept in ``lanes/dashboard.toml`` of the person's configuration directory.

A file that is missing, broken or written by another version never keeps the dashboard from starting: what cannot be
read has its default. A broken file is left as it is.
"""

import contextlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lanes.config.declared.places import config_dir, make_private
from lanes.text.toml import toml_value
from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.display.columns import ORDER, USUAL

#: The refresh intervals, in seconds, that ``+`` and ``-`` step through.
RATES = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: The default order: silent lanes first, and then by attention.
USUAL_ORDER = LaneOrder(LaneSort.SILENT)
#: Values that the first edition wrote even if nobody chose them: they are read as the defaults.
_FIRST_EDITION = {
    "columns": ["STATE", "LANE", "HELD", "BEAT", "QUEUE", "WAIT", "OWNER", "LAST ERROR"],
    "sort": "attention",
    "ascii": False,
}
EDITION = 2
#: By how many parts of their keys lanes are folded at most.
MOST_PARTS = 8
#: How many typed filters are kept.
MOST_FILTERS = 50
HEAD = "# Written by the dashboard of lanes. Delete a line, or the file, to restore defaults.\n"


@dataclass(slots=True)
class Settings:
    """The settings. They are not stored if ``path`` is None."""

    path: Path | None = None
    columns: tuple[str, ...] = USUAL
    order: LaneOrder = USUAL_ORDER
    refresh_s: float = 1.0
    theme: str | None = None
    ascii: bool | None = None  # None: as the terminal needs it
    local_time: bool = False
    muted: bool = False  # no bell and no notice when a run falls silent
    follow: bool = False  # the lane after an action; else stay at its place in the list
    parts: int = 2  # of a key, by which lanes are folded
    filters: tuple[str, ...] = ()  # that were typed, the last one last
    keymap: dict[str, str] = field(default_factory=dict)  # keys by the name of their meaning in ``actions.keys``
    broken: str | None = None  # why the file could not be read
    wrong: list[str] = field(default_factory=list)  # entries of the file with invalid values
    others: dict[str, Any] = field(default_factory=dict)  # entries of the file that this version does not know

    def save(self) -> None:
        """Store the settings. If that fails, they hold until the dashboard is left."""
        if self.path is None or self.broken is not None:
            return
        values = {"sort": str(self.order.by), "reverse": self.order.reverse, "refresh": self.refresh_s}
        values |= {name: getattr(self, name) for name in _KEPT if name not in values and name != "keymap"}
        chosen = self.others | {"edition": EDITION} | {name: each for name, each in values.items() if each is not None}
        text = HEAD + "".join(f"{name} = {toml_value(value)}\n" for name, value in chosen.items())
        if self.keymap:
            pairs = (f"{toml_value(name)} = {toml_value(keys)}\n" for name, keys in self.keymap.items())
            text += "\n[keymap]\n" + "".join(pairs)
        keep(self.path, text)


def keep(path: Path, text: str) -> None:
    """Replace the content of a file, readable by its owner alone. If that fails, the file stays as it was."""
    # not `lanes.host.files.put`, which waits for the disk: this is called by the event loop, at a key
    draft = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        make_private(path.parent)
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


def settings_path() -> Path:
    """The file in which the settings are kept."""
    return config_dir() / "dashboard.toml"


def load(path: Path) -> Settings:
    """The stored settings, as far as they can be read."""
    settings = Settings(path)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return settings
    except (OSError, ValueError) as error:
        settings.broken = f"{path}: {error}"
        return settings
    if found.pop("edition", 1) == 1:
        found = {name: value for name, value in found.items() if value != _FIRST_EDITION.get(name)}
    accepted: dict[str, Any] = {}
    for name, read in _KEPT.items():
        try:
            accepted |= {name: read(found.pop(name))} if name in found else {}
        except (ValueError, TypeError, AttributeError):
            settings.wrong.append(name)
    order = LaneOrder(accepted.pop("sort", USUAL_ORDER.by), accepted.pop("reverse", False))
    every = accepted.pop("refresh", settings.refresh_s)
    others = {name: value for name, value in found.items() if isinstance(value, str | bool | int | float)}
    return replace(settings, order=order, refresh_s=every, others=others, **accepted)


def _columns(value: Any) -> tuple[str, ...]:
    names = tuple(name for name in ORDER if name in value)
    if not isinstance(value, list) or not names:
        raise ValueError(value)
    return names


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str))[-MOST_FILTERS:]


def _keymap(value: Any) -> dict[str, str]:
    return {str(name): ",".join(keys) if isinstance(keys, list) else str(keys) for name, keys in value.items()}


def _parts(value: Any) -> int:
    return max(1, min(int(value), MOST_PARTS))


def _rate(value: Any) -> float:
    return min(RATES, key=lambda rate: abs(rate - float(value)))


#: The entries of the file, and what reads each. Raises ValueError, TypeError or AttributeError for an invalid value.
_KEPT: dict[str, Callable[[Any], Any]] = {
    "columns": _columns,
    "sort": LaneSort,
    "reverse": bool,
    "refresh": _rate,
    "local_time": bool,
    "muted": bool,
    "follow": bool,
    "parts": _parts,
    "filters": _texts,
    "theme": str,
    "ascii": bool,
    "keymap": _keymap,
}
