"""Draw every picture of the documents anew: ``python -m tests.pictures``."""

import asyncio
import contextlib
import html
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len

from lanes_tui.app import Dashboard
from lanes_tui.sources.file import FileSource
from tests.kit.chromium import PROGRAM
from tests.pictures.in_browser import FILE, draw_in_browser
from tests.pictures.scene import stage

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: The fonts of the toolkit's pictures come from a server; a reader's own monospace will do.
_FETCHED = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
#: They also count characters where they should count cells, which squeezes wide scripts.
_MEASURED = re.compile(r'textLength="([0-9.]+)"([^>]*)>([^<]*)</text>')


class Picture(NamedTuple):
    """A file in docs/, the size of its terminal in cells, and the keys that lead to what it shows."""

    file: str
    size: tuple[int, int] = (120, 36)
    keys: tuple[str, ...] = ()


PICTURES = (
    Picture("dashboard.svg", keys=("j",)),
    Picture("dashboard-small.svg", (80, 24), keys=("j",)),
    Picture("dashboard-wide.svg", (160, 36), keys=("j",)),
    Picture("dashboard-groups.svg", (120, 12), keys=("L", "right_square_bracket")),
    Picture("dashboard-marks.svg", keys=("slash", *"state:run", "enter", "space", "space", "space", "a")),
    Picture("dashboard-lane.svg", (120, 30), keys=("j", "enter")),
    Picture("dashboard-journal.svg", (120, 30), keys=("J",)),
    Picture("dashboard-owners.svg", (120, 16), keys=("O", "j", "j")),
    Picture("dashboard-providers.svg", (120, 16), keys=("H",)),
    Picture("dashboard-letters.svg", (120, 20), keys=("D",)),
    Picture("dashboard-message.svg", (120, 24), keys=("m", *"please wait", "enter", *"a moment")),
    Picture("dashboard-commands.svg", (120, 30), keys=("colon",)),
    Picture("dashboard-help.svg", (120, 40), keys=("question_mark",)),
)
_NAMES = {" ": "space", ":": "colon"}


async def draw(picture: Picture) -> str:
    """One picture, as SVG, of a database in the working folder: its path is part of the picture."""
    clock = stage(Path("lanes.db"))
    app = Dashboard(FileSource("lanes.db", actor="alice@gw-1", clock=clock))
    async with app.run_test(size=picture.size) as pilot:
        while app.main.picture is None:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        await pilot.press(*(_NAMES.get(key, key) for key in picture.keys))
        await asyncio.sleep(0.5)
        await pilot.pause()
        return _mended(app.export_screenshot(title="lanes dashboard"))


def _mended(svg: str) -> str:
    def measured(found: re.Match[str]) -> str:
        text = html.unescape(found[3])
        length = float(found[1]) / len(text) * cell_len(text) if text else 0
        return f'textLength="{length:g}"{found[2]}>{found[3]}</text>'

    return _MEASURED.sub(measured, _FETCHED.sub("", svg))


def main() -> None:
    """Draw them all."""
    for picture in PICTURES:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            drawn = asyncio.run(draw(picture))
        (DOCS / picture.file).write_text(drawn, encoding="utf-8")
        print(f"docs/{picture.file}")  # noqa: T201 - this is a command
    if PROGRAM is None:
        print(f"docs/{FILE} is as it was: there is no chromium here")  # noqa: T201
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        (DOCS / FILE).write_bytes(asyncio.run(draw_in_browser()))
    print(f"docs/{FILE}")  # noqa: T201


if __name__ == "__main__":
    main()
