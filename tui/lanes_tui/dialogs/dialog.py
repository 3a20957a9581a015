"""What every dialog is: a screen through which the one below is seen."""

from typing import ClassVar, TypeVar

from textual.binding import BindingType
from textual.content import Content
from textual.screen import ModalScreen

from lanes_tui.actions.closing import ClosingScreen
from lanes_tui.actions.keys import KEYS, bind
from lanes_tui.display import text

T = TypeVar("T")
#: Going from one button to the next.
BUTTON_KEYS: list[BindingType] = [
    *(bind(name, "app.focus_previous") for name in ("left", "up")),
    *(bind(name, "app.focus_next") for name in ("right", "down")),
]


class Dialog(ClosingScreen[T], ModalScreen[T]):
    """Lies over another screen until it is left with a result."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)


def label(word: str, key: str) -> Content:
    """What a button says: a word, and the key that does the same."""
    return text.line(f" {word} ", (f"{KEYS[key].sign or KEYS[key].keys} ", "muted"))
