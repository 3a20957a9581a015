"""How much there is to scroll, told without a new layout."""

from textual.geometry import Size
from textual.scroll_view import ScrollView


def tell_size(view: ScrollView, size: Size) -> None:
    """Let a view scroll over so much.

    The toolkit lays the whole screen out anew for that, which takes longer than everything else in a refresh. Nothing
    moves unless the scrollbar comes or goes, or the view is as high as what it holds: else the bar alone is told.
    """
    before = view.virtual_size
    if size == before:
        return
    room = view.container_size.height
    has_bar, needs_bar = view.show_vertical_scrollbar, size.height > room
    if has_bar != needs_bar or size.width != before.width or view.styles.auto_dimensions:
        view.virtual_size = size
        return
    view.set_reactive(ScrollView.virtual_size, size)
    if has_bar:
        view.vertical_scrollbar.window_virtual_size = size.height
    view.scroll_y = view.validate_scroll_y(view.scroll_y)
