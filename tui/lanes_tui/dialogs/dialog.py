"""What every dialog is: a screen through which the one below is seen."""

from typing import ClassVar, TypeVar

from textual.screen import ModalScreen

from lanes_tui.actions.closing import ClosingScreen
from lanes_tui.display import text

T = TypeVar("T")


class Dialog(ClosingScreen[T], ModalScreen[T]):
    """Lies over another screen until it is left with a result."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)
