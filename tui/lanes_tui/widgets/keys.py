"""The keys at the foot of a screen."""

from textual.widgets import Footer
from textual.widgets._footer import FooterKey


class Keys(Footer):
    """The toolkit's footer without the palette of its own; a key that does not fit whole is not shown."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    async def recompose(self) -> None:
        """Make it of the keys that do something by now."""
        await super().recompose()
        self._fit()

    def on_resize(self) -> None:
        """Show as many as fit by now."""
        self._fit()

    def _fit(self) -> None:
        left = self.size.width
        for key in self.query(FooterKey):
            left -= key.render().cell_len
            key.display = left >= 0
