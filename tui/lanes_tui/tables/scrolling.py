"""Tools for scrolling views, which render only the lines in view."""

from collections.abc import Callable

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from lanes_tui.display import text


def set_virtual_size(view: ScrollView, size: Size) -> None:
    """Set the size of the content that a view scrolls over.

    The toolkit would lay out the whole screen again, which takes longer than everything else in a refresh. That is
    needed only if the scrollbar appears or disappears, the width changes, or the height of the view depends on its
    content; else only the scrollbar is updated.
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


def painted(
    content: Content, width: int, base: Style, look: Callable[[str | Style], Style], cursor: Style | None = None
) -> Strip:
    """A line as it is painted, over the whole width. ``cursor``: the style of the line under the cursor.

    ``look`` returns the style of a tone.
    """
    if cursor is not None:
        base += cursor
        if cursor.reverse:  # reversed, a colour of text would become a background
            content = text.line(content.plain)
    segments = [Segment(piece, style.rich_style) for piece, style in content.render(base, "", look)]
    return Strip(segments).adjust_cell_length(width, base.rich_style)
