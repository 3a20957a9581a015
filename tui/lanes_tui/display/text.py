"""The only way from data to the screen: all displayed content is created here.

The toolkit passes escape sequences, C1 and bidi characters raw to the terminal, and reads ``[…]`` in a string as
markup, up to live actions. So no widget is ever given a string: only ``Content``, made from cleaned text and from
the names of tones, with no markup parsed on the way.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from textual.content import Content, Span

from lanes.base.terminal import clean

#: How the parts of a line may look. ``lanes.tcss`` gives each its colour.
TONES = frozenset({
    "idle", "running", "errored", "aborted", "paused",
    "strong", "muted", "good", "warn", "bad", "head", "accent", "mark",
})  # fmt: skip
#: The component classes by which the widgets of a screen get the styles of the tones.
COMPONENTS = frozenset(f"tone--{tone}" for tone in TONES)

Part = str | tuple[str, str] | Content

#: Variation selectors and skin tones: terminals disagree on how wide they make the character before them.
_UNSTEADY = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]")
#: How many combining marks of one letter are shown; terminals would paint more over the lines above and below.
_MOST_MARKS = 4
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{5,}"
)
#: How many characters of one piece of data are shown at most; more than any screen holds.
_LONGEST = 8_000
#: How many characters are shown of the beginning of a text, and of the end of one that grows.
_FIRST_WORDS, _LAST_WORDS = 300, 60
ELLIPSIS = "…"

EMPTY = Content("")


def harmless(text: str) -> str:
    """``text`` on one line, without characters that control the terminal or have an unpredictable width."""
    return _steady(clean(text[:_LONGEST]))


def _steady(cleaned: str) -> str:
    if cleaned.isascii():
        return cleaned
    return _MARKS.sub(lambda marks: marks[0][:_MOST_MARKS] + ELLIPSIS, _UNSTEADY.sub("", cleaned))


def line(*parts: Part) -> Content:
    """Join texts, pairs of a text and its tone, and existing lines to one line."""
    texts: list[str] = []
    spans: list[Span] = []
    at = 0
    for part in parts:
        if isinstance(part, Content):
            text = part.plain
            spans += [Span(span.start + at, span.end + at, span.style) for span in part.spans]
        elif isinstance(part, tuple):
            text = harmless(part[0])
            assert part[1] in TONES or not part[1], part[1]
            if part[1] and text:
                spans.append(Span(at, at + len(text), f".tone--{part[1]}"))
        else:
            text = harmless(part)
        texts.append(text)
        at += len(text)
    return Content("".join(texts), spans)


def joined(parts: Iterable[Content], between: str = "  ") -> Content:
    """Several pieces on one line; empty ones leave no gap."""
    pieces: list[Part] = []
    for part in parts:
        if part.plain:
            pieces += [between, part] if pieces else [part]
    return line(*pieces)


def prose(text: str, tone: str = "") -> list[Content]:
    """A text of several lines."""
    kept = _steady(clean(text[:_LONGEST], keep_newlines=True))
    return [line((each, tone)) for each in kept.split("\n")]


def first_words(text: str | None) -> str:
    """The beginning of a text, its line ends as spaces."""
    return "" if text is None else " ".join(text[: 2 * _FIRST_WORDS].split())[:_FIRST_WORDS]


def last_words(text: str) -> str:
    """The end of a text, its line ends as spaces."""
    end = " ".join(text[-2 * _LAST_WORDS :].split())
    return f"…{end[-_LAST_WORDS:]}" if len(end) > _LAST_WORDS else end


def count(number: int, tone: str = "") -> Content:
    """A number in a column; nothing for 0."""
    return line((f"{number:,}", tone)) if number else EMPTY


def fitted(content: Content, width: int, *, right: bool = False) -> Content:
    """Exactly ``width`` cells: padded, or cut at its end with an ellipsis."""
    cells = content.cell_length
    if cells > width:
        return content.truncate(width, ellipsis=True)
    space = " " * (width - cells)
    return line(space, content) if right else line(content, space)


def key_of(key: str) -> str:
    """A key, with the spaces at its ends made visible."""
    inner = key.strip()
    if len(inner) == len(key):
        return key
    before = len(key) - len(key.lstrip())
    return _visible(key[:before]) + inner + _visible(key[before + len(inner) :])


def _visible(spaces: str) -> str:
    return "".join("␣" if space == " " else space.encode("unicode_escape").decode() for space in spaces)


@lru_cache(maxsize=2_000)
def in_the_middle(text: str, width: int) -> str:
    """``text``, cut in its middle where it does not fit: keys differ at their ends.

    Cached: the same few keys are asked for at every look, and measuring them is most of the work.
    """
    shown = harmless(key_of(text))
    if cell_len(shown) <= width:
        return shown
    if width < 5:
        return set_cell_size(shown, max(0, width - 1)) + ELLIPSIS
    tail = ""
    for character in reversed(shown):
        if cell_len(character + tail) > (width - 1) // 2:
            break
        tail = character + tail
    return set_cell_size(shown, width - 1 - cell_len(tail)).rstrip() + ELLIPSIS + tail
