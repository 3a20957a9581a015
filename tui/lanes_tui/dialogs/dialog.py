"""The base of all dialogs: a screen through which the one below is seen."""

from typing import Any, ClassVar, TypeVar

from textual import on
from textual.binding import BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Button

from lanes_tui.actions.closing import ClosingScreen
from lanes_tui.actions.keys import bind
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


class KeyButton(Button):
    """A button that runs an action of its dialog, labelled with a word and the key of that action."""

    def __init__(self, word: str, key: str, action: str, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - the toolkit's own word
        """``key``: the name in ``KEYS`` by which the dialog binds the action."""
        super().__init__(compact=True, name=action, id=id, classes=classes)
        self._word, self._key = word, key

    def on_mount(self) -> None:
        self.label = text.line(f" {self._word} ", (f"{sign_of(self.screen, self._key)} ", "muted"))


def sign_of(screen: Screen[Any], name: str) -> str:
    """How the key of a meaning is shown. To be called before a field has the focus, which would take characters."""
    bindings = (each.binding for each in screen.active_bindings.values() if each.binding.id == name)
    return next((screen.app.get_key_display(binding) for binding in bindings), "")
