"""The views that are kept in ``lanes/dashboard-views.json``: nine by number, and the last one of each source.

As with the settings, what cannot be read counts as not kept, and a broken file is left as it is.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from lanes_tui.display.settings import keep

#: How many marks are kept: more are marked again as fast by a filter.
MOST_MARKS = 1_000


class KeptScreen(NamedTuple):
    """A screen over the main one: its name, the key of its lane, its filter, and the row under its cursor."""

    name: str
    key: str | None = None
    typed: str = ""
    row: str | None = None


@dataclass(frozen=True, slots=True)
class KeptView:
    """What the main screen shows. ``key``: the lane under the cursor; ``marks``: key, epoch and state of each;
    ``screens``: those that are open over it."""

    typed: str = ""
    sort: str = "silent"
    reverse: bool = False
    columns: tuple[str, ...] = ()
    detail: bool = True
    key: str | None = None
    marks: tuple[tuple[str, int | None, str], ...] = ()
    screens: tuple[KeptScreen, ...] = ()


@dataclass(slots=True)
class Views:
    """All kept views. If ``path`` is None, they are kept only until the dashboard is closed."""

    path: Path | None = None
    numbered: dict[str, KeptView] = field(default_factory=dict)
    last: dict[str, KeptView] = field(default_factory=dict)
    broken: bool = False

    def save(self) -> None:
        """Store the views, readable by the person alone: they contain keys of lanes."""
        if self.path is None or self.broken:
            return
        kept = {"views": _jsonable(self.numbered), "last": _jsonable(self.last)}
        keep(self.path, json.dumps(kept, indent=1) + "\n")


def load_views(path: Path) -> Views:
    """The stored views, as far as they can be read."""
    views = Views(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        views.numbered, views.last = _read(found["views"]), _read(found["last"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        views.broken = True
    return views


def _jsonable(views: dict[str, KeptView]) -> dict[str, Any]:
    return {name: asdict(view) for name, view in views.items()}


def _read(found: dict[str, dict[str, Any]]) -> dict[str, KeptView]:
    names = {each.name for each in fields(KeptView)}
    views = {}
    for name, stored in found.items():
        known = {key: value for key, value in stored.items() if key in names}
        known["columns"] = tuple(map(str, known.get("columns", ())))
        known["marks"] = tuple(
            (str(key), None if epoch is None else int(epoch), str(state))
            for key, epoch, state in known.get("marks", ())
        )
        known["screens"] = tuple(KeptScreen(*each) for each in known.get("screens", ()))
        views[name] = KeptView(**known)
    return views
