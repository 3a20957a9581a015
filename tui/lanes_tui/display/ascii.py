"""Output in ASCII only, for terminals and fonts without more: converted in the last step before the screen.

The dashboard's own symbols have replacements of the same width; any other character becomes a question mark for each of
its cells, so that columns stay aligned.
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
    """``text`` in ASCII, in as many cells."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in text.translate(_TABLE))


class AsciiFilter(LineFilter):
    """The toolkit passes every line of every widget through it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - the toolkit's signature
        """The line in ASCII."""
        return [Segment(in_ascii(text), style, control) for text, style, control in segments]
