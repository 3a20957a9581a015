"""The heads of the table's columns."""

from textual.content import Content
from textual.widget import Widget

from lanes_tui import columns, text


class Heads(Widget):
    """One line above the table, laid out as the table is."""

    def render(self) -> Content:
        parts: list[text.Part] = []
        x = 0
        # one cell at the right belongs to the table's scrollbar
        for column in columns.lay_out(self.size.width - 1):
            title = column.fit(text.line((column.title, "head")))
            parts += [" " * (column.x - x), title]
            x = column.x + column.width
        return text.line(*parts)
