"""docs/dashboard.md names every key of the dashboard, and no other."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from textual.binding import Binding
from textual.widget import Widget

from lanes_tui.app import Dashboard
from lanes_tui.dialogs.action import ActionDialog
from lanes_tui.dialogs.columns import ColumnsDialog
from lanes_tui.dialogs.fields import FieldInput, WordChoice
from lanes_tui.dialogs.leaving import LeavingDialog
from lanes_tui.dialogs.palette import Palette
from lanes_tui.dialogs.results import Results
from lanes_tui.dialogs.send import SendDialog
from lanes_tui.lanes.screen import MainScreen
from lanes_tui.screens.dead_letters import DeadLettersScreen
from lanes_tui.screens.groups import GroupsScreen
from lanes_tui.screens.journal import JournalScreen
from lanes_tui.screens.lane import LaneScreen
from lanes_tui.screens.owners import OwnersScreen
from lanes_tui.screens.providers import ProvidersScreen
from lanes_tui.screens.watching import Watching
from lanes_tui.tables.lane_table import LaneList
from lanes_tui.tables.rows import Rows
from lanes_tui.widgets.detail import Pane
from lanes_tui.widgets.filter_bar import LaneFilterInput
from tests.house.modules import ROOT

DOCUMENT = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
#: The heading under which the keys of a class are told.
SECTIONS: dict[str, type] = {
    "Every screen": Dashboard,
    "The lanes": MainScreen,
    "Moving in the lanes": LaneList,
    "The filter": LaneFilterInput,
    "The other screens": Watching,
    "One lane": LaneScreen,
    "The journal": JournalScreen,
    "The owners": OwnersScreen,
    "The providers": ProvidersScreen,
    "The groups": GroupsScreen,
    "The dead letters": DeadLettersScreen,
    "Moving in the other lists": Rows,
    "Moving in a text": Pane,
    "Writing a message": SendDialog,
    "The command palette": Palette,
    "Before an action": ActionDialog,
    "Its fields": FieldInput,
    "Its scope": WordChoice,
    "Questions": LeavingDialog,
    "Outcomes": Results,
    "Columns": ColumnsDialog,
}
SIGNS = {
    "slash": "/", "question_mark": "?", "colon": ":", "plus": "+", "equals_sign": "=", "minus": "-", "escape": "esc",
    "pageup": "pgup", "pagedown": "pgdn", "ctrl+@": "ctrl+@", "left_square_bracket": "[", "right_square_bracket": "]",
}  # fmt: skip
ROW = re.compile(r"^\| (`[^|]*`) \| ([^|]*) \|$", re.MULTILINE)


def own_bindings(kind: type) -> Iterator[Binding]:
    """The bindings of a class and of those that it is made from, as far as they are ours, not the toolkit's."""
    for base in kind.__mro__:
        if base.__module__.startswith("lanes_tui"):
            yield from (each for each in base.__dict__.get("BINDINGS", ()) if isinstance(each, Binding))


def bound(kind: type) -> dict[str, str]:
    """What each key of a class does. What a class inherits from another section is told there."""
    inherited = {
        id(binding)
        for other in SECTIONS.values()
        if other is not kind and issubclass(kind, other)
        for binding in own_bindings(other)
    }
    return {
        SIGNS.get(key, key): binding.tooltip
        for binding in own_bindings(kind)
        if id(binding) not in inherited
        for key in binding.key.split(",")
    }


def told(section: str) -> dict[str, str]:
    """What the document says of each key under a heading."""
    found = re.search(rf"^#+ {section}\n(.*?)(?=^#|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/dashboard.md has no heading {section!r}"
    return {key: said for keys, said in ROW.findall(found[1]) for key in re.findall("`([^`]+)`", keys)}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_document_tells_every_key_and_no_other(section: str) -> None:
    assert told(section) == bound(SECTIONS[section])


def test_no_class_with_keys_is_left_out() -> None:
    kinds = {kind for kind in _subclasses(Widget) if kind.__module__.startswith("lanes_tui") and bound_here(kind)}
    covered = {base for kind in SECTIONS.values() for base in kind.__mro__}
    assert {kind.__name__ for kind in kinds - covered} - {"Help"} == set()


def bound_here(kind: type) -> bool:
    return bool(kind.__dict__.get("BINDINGS"))


def _subclasses(kind: type[Any]) -> set[type[Any]]:
    return {each for direct in kind.__subclasses__() for each in (direct, *_subclasses(direct))}


def test_every_picture_that_is_shown_is_made_by_the_command() -> None:
    from tests.pictures.__main__ import PICTURES
    from tests.pictures.in_browser import FILE

    shown = set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", DOCUMENT))
    assert shown == {FILE, *(picture.file for picture in PICTURES)}
