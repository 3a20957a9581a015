"""Views that scroll over lines of content, of which only those that are seen are made."""

from collections.abc import Callable

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from lanes_tui.display import text


def set_virtual_size(view: ScrollView, size: Size) -> None:
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


def painted(
    content: Content, width: int, base: Style, look: Callable[[str | Style], Style], cursor: Style | None = None
) -> Strip:
    """A line as it is painted, over the whole width; under the cursor, where it has a style for that.

    ``look`` knows the style of a tone.
    """
    if cursor is not None:
        base += cursor
        if cursor.reverse:  # a colour would become the ground of its word
            content = text.line(content.plain)
    segments = [Segment(piece, style.rich_style) for piece, style in content.render(base, "", look)]
    return Strip(segments).adjust_cell_length(width, base.rich_style)
