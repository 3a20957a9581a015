"""The dashboard without a screen: prints the lanes as a plain table, once or whenever it changes."""

from collections.abc import Callable

from rich.cells import cell_len, set_cell_size

from lanes_storage.records import LaneFilter
from lanes_tui.actions.command_line import first_send
from lanes_tui.display import columns, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.display.settings import USUAL_ORDER
from lanes_tui.sources.polling import Looking, Rhythm
from lanes_tui.sources.source import Source, by_run

#: How many lanes a table without a screen shows.
MOST = 200
#: Columns that change every second: left out of a table that is printed whenever it changes.
RESTLESS = frozenset({"SILENT", "HELD", "BEAT", "WAIT"})

Print = Callable[[str], object]


async def table(source: Source, out: Print) -> None:
    """Print the lanes once, most urgent first, and close the source. Raises Lost."""
    try:
        out(await _drawn(source, columns.USUAL))
    finally:
        await source.close()


async def printed(source: Source, out: Print, rhythm: Rhythm | None = None) -> None:
    """Print the time and the lanes whenever the table changes, until cancelled. A lost source is reported once."""
    titles = tuple(title for title in columns.USUAL if title not in RESTLESS)
    last = ""

    def print_if_new(text: str) -> None:
        nonlocal last
        if text != last:
            out(f"{words.zoned(source.now().wall)}\n{text}\n")
            last = text

    async def look() -> None:
        print_if_new(await _drawn(source, titles))

    try:
        await Looking(source, rhythm or Rhythm(), look, lambda why: print_if_new(f"lost: {why}")).run()
    finally:
        await source.close()


async def _drawn(source: Source, titles: tuple[str, ...]) -> str:
    silences = await source.silences()
    window = await source.window(LaneFilter(), 0, MOST, order=USUAL_ORDER)
    if not window.rows:
        return f"no lanes yet: {first_send(source)}"
    sight = ViewedAt.of(window.at, source.now(), by_run(silences, window.at))
    rows = [titles, *(tuple(columns.plain(title, lane, sight) for title in titles) for lane in window.rows)]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(titles))]
    lines = ["  ".join(map(set_cell_size, row, widths)).rstrip() for row in rows]
    if window.total > len(window.rows):
        lines.append(f"… {words.number(window.total - len(window.rows))} more: see `lanes list`")
    return "\n".join(lines)
