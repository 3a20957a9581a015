"""Drawing with ASCII only, for terminals and fonts that have no more: at the last step before the screen.

Signs of ours get a stand-in of the same width; any other character is a question mark for each of its cells, so
that columns stay columns.
"""

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_SIGNS = {
    "○": "o", "▶": ">", "✖": "x", "■": "#", "‖": "=", "✔": "+", "·": ".", "–": "-", "—": "-", "●": "*", "◌": "?",
    "◐": "%", "◔": "@", "❚": "|", "⚠": "!", "▌": ">", "│": "|", "─": "-", "━": "=", "┄": ".", "…": "~",
    "→": ">", "←": "<", "↑": "^", "↓": "v", "▼": "v", "▲": "^", "×": "x", "⏎": "^", "␣": "_",
    "“": '"', "”": '"', "’": "'", "‘": "'", "‹": "<", "›": ">",
    "╭": "+", "╮": "+", "╰": "+", "╯": "+", "┌": "+", "┐": "+", "└": "+", "┘": "+", "▔": "-", "▁": "_",
    "▂": "_", "▃": ".", "▄": "-", "▅": "-", "▆": "=", "▇": "=", "█": "#", "░": ".",
    "▎": "|", "▊": "|", "▏": "|", "▕": "|",
}  # fmt: skip
_TABLE = str.maketrans(_SIGNS)


@lru_cache(maxsize=4096)
def in_ascii(text: str) -> str:
    """``text`` in as many cells, in ASCII."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in text.translate(_TABLE))


class AsciiFilter(LineFilter):
    """A filter through which the toolkit passes every line of every widget."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - as it calls it
        """The line in ASCII."""
        return [Segment(in_ascii(text), style, control) for text, style, control in segments]
