"""The lanes without a screen: a plain table once, or a picture of the dashboard in a file."""

import asyncio

from lanes_storage.records import LaneFilter
from lanes_tui import columns
from lanes_tui.app import Dashboard
from lanes_tui.columns import Sight
from lanes_tui.source import Source

#: How many lanes a table without a screen shows.
MOST = 200
#: How long the first look may take before the picture is made.
SETTLE_S = 1.5


async def table(source: Source) -> str:
    """The lanes as plain text, most urgent first. Raises Lost."""
    try:
        window = await source.window(LaneFilter(), 0, MOST)
    finally:
        await source.close()
    sight = Sight.of(window.at, source.now())
    rows = [
        columns.USUAL,
        *(tuple(columns.plain(title, lane, sight) for title in columns.USUAL) for lane in window.rows),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns.USUAL))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if window.total > len(window.rows):
        lines.append(f"… {window.total - len(window.rows)} more: see `lanes list`")
    return "\n".join(lines) + "\n"


async def picture(source: Source, size: tuple[int, int]) -> str:
    """The dashboard, drawn once in a terminal of ``size`` cells, as SVG."""
    app = Dashboard(source)
    async with app.run_test(size=size) as pilot:
        await asyncio.sleep(SETTLE_S)
        await pilot.pause()
        return app.export_screenshot(title="lanes dashboard")
