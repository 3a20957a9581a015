"""The column heads of the lanes table, with an arrow at the column that it is sorted by."""

from textual import events
from textual.content import Content
from textual.widget import Widget

from lanes_storage.records import LaneOrder
from lanes_tui.actions.messages import SortWanted
from lanes_tui.display import columns, text

DOWN, UP = "▼", "▲"


class Heads(Widget):
    """One line above the table, in its layout. A click on a head sorts by it, a second click reverses the order."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: tuple[columns.Column, ...] = ()
        self._order = LaneOrder()

    def show(self, laid: tuple[columns.Column, ...], order: LaneOrder) -> bool:
        """Show the heads of the table's columns, and the order; returns whether either has changed."""
        changed = (laid, order) != (self._columns, self._order)
        if changed:
            self._columns, self._order = laid, order
            self.refresh()
        return changed

    def render(self) -> Content:
        parts: list[text.Part] = []
        x = 0
        for column in self._columns:
            sorts = columns.KINDS[column.title].sort is self._order.by
            arrow = (UP if self._order.reverse else DOWN) if sorts else ""
            title = column.fit(text.line((column.title + arrow, "accent" if sorts else "head")))
            parts += [" " * (column.x - x), title]
            x = column.x + column.width
        return text.line(*parts)

    def on_click(self, event: events.Click) -> None:
        for column in self._columns:
            if column.x <= event.x < column.x + column.width:
                self.post_message(SortWanted(columns.KINDS[column.title].sort))
