"""The base of all dialogs: a screen through which the one below is seen."""

from typing import ClassVar, TypeVar

from textual import on
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import Button

from lanes_tui.actions.closing import ClosingScreen
from lanes_tui.actions.keys import KEYS, bind
from lanes_tui.display import text

T = TypeVar("T")
#: The keys that move between buttons.
BUTTON_KEYS: list[BindingType] = [
    *(bind(name, "app.focus_previous") for name in ("left", "up")),
    *(bind(name, "app.focus_next") for name in ("right", "down")),
]


class Dialog(ClosingScreen[T], ModalScreen[T]):
    """A screen over another one, which is left with a result."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(text.COMPONENTS)

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        """Run the action of the button here: another screen, with an action of the same name, may be on top already."""
        event.stop()
        await self.run_action(event.button.name or "")


def button(word: str, key: str, action: str, *, id: str | None = None, classes: str | None = None) -> Button:  # noqa: A002 - the toolkit's own word
    """A button that runs an action of its dialog, labelled with a word and the key of that action."""
    label = text.line(f" {word} ", (f"{KEYS[key].sign or KEYS[key].keys} ", "muted"))
    return Button(label, compact=True, name=action, id=id, classes=classes)
