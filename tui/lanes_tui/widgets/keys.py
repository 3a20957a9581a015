"""The keys at the foot of a screen."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from lanes_tui.actions.keys import KEYS

#: What is named first where there is no room for all: how to find the rest, and the other screens.
FIRST = (
    "back", "help", "filter", "reset", "drain", "retry", "abort", "journal", "owners", "providers", "dead letters",
    "open", "commands", "groups", "pause",
)  # fmt: skip


class Keys(Footer):
    """The toolkit's footer without the palette of its own; a key that does not fit whole is not shown."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._shown: list[tuple[Binding, bool, str]] = []

    def compose(self) -> ComposeResult:
        """The toolkit's keys, but wide from the start: it makes them compact first, which styles each twice more."""
        for binding, enabled, tooltip in self._shown:
            key = FooterKey(
                binding.key,
                self.app.get_key_display(binding),
                binding.description,
                binding.action,
                disabled=not enabled,
                tooltip=tooltip,
            )
            key.set_reactive(FooterKey.compact, False)
            yield key

    async def recompose(self) -> None:
        """Make it of the keys that do something by now.

        The toolkit asks for this each time the focus moves, and it costs more than anything else on a screen.
        """
        if not self.is_attached:  # its screen was left meanwhile
            return
        first: dict[str, tuple[Binding, bool, str]] = {}  # of the keys for one action
        for _, binding, enabled, tooltip in self.screen.active_bindings.values():
            if binding.show:
                first.setdefault(binding.action, (binding, enabled, tooltip))
        shown = [*first.values()]
        if shown != self._shown:
            self._shown = shown
            await super().recompose()
            self._fit()

    def on_resize(self) -> None:
        """Show as many as fit by now."""
        self._fit()

    def _fit(self) -> None:
        first = {KEYS[name].word: place for place, name in enumerate(FIRST)}
        left = self.size.width
        for key in sorted(self.query(FooterKey), key=lambda key: first.get(key.description, len(first))):
            left -= key.render().cell_len
            key.display = left >= 0
