"""Parses what a terminal sends into events: keys, mouse events, and pastes. A paste is one event, and never a key.

The toolkit's own parser ends a paste at the first escape character in it, and reads what follows as keys: pasting a
coloured log would press the letters in it.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterator

from textual._xterm_parser import XTermParser
from textual.events import Key, Paste
from textual.message import Message

BEGIN, END = "\x1b[200~", "\x1b[201~"
#: A read of more characters was not typed: it is a paste, from a terminal that does not mark pastes.
MOST_TYPED = 100
#: How many characters of one paste are kept; no field takes as many.
MOST_PASTED = 1_000_000
#: How long to wait for the rest of an escape sequence, and for more of an unmarked paste, in seconds.
QUIET_S = 0.1
#: Colours, titles and other terminal commands: removed as a whole, so that a coloured log is pasted as its text.
_COMMAND = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)")
#: The escape sequence of a key that is no character, or of a mouse event.
_KEY = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO?.")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INTERRUPT = "\x03"


def pasted(text: str) -> str:
    """The text without terminal commands and control characters; line ends and tabs stay."""
    return _CONTROL.sub("", _COMMAND.sub("", text))


def _beginning(text: str, mark: str) -> int:
    """How many characters at the end of a text may be the beginning of ``mark``."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0)


class TypedStream:
    """Turns the bytes that a terminal sends, in pieces of any size, into events."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._keys = XTermParser()
        self._begun = ""  # the end of the last read, which may be the beginning of a mark
        self._late = ""  # was reported as a key, but may turn out to begin the mark of a paste
        self._paste: list[str] | None = None
        self._marked = False  # the paste ends at its mark; else at the first pause
        self._paused = False  # there was a pause before this read

    def feed(self, data: bytes) -> Iterator[Message]:
        """The events of one read."""
        text = self._begun + self._decode(data)
        if (self._late + text).startswith(BEGIN):
            text = BEGIN + text[len(BEGIN) - len(self._late) :]
        self._begun = self._late = ""
        while text:
            text = yield from self._typed(text) if self._paste is None else self._pasted(text)
        self._paused = False

    def quiet(self) -> Iterator[Message]:
        """The events that a pause decides: an escape on its own is a key, and an unmarked paste has ended."""
        self._paused = True
        if self._paste is not None:
            if not self._marked:
                yield self._end()
        elif self._begun in ("\x1b", "\x1b["):  # longer beginnings of the mark are no key
            self._late, self._begun = self._begun, ""
            if self._late == "\x1b":
                yield Key("escape", "\x1b")
            else:
                yield from self._keys.feed(self._late)
        yield from self._keys.tick()

    def _typed(self, text: str) -> Generator[Message, None, str]:
        """Yields the events before a paste; returns the rest of the text."""
        typed, mark, rest = text.partition(BEGIN)
        if len(_KEY.sub("", typed)) > MOST_TYPED:
            self._begin(marked=False)
            return text
        if mark:
            self._begin(marked=True)
        else:
            size = _beginning(text, BEGIN)
            typed, self._begun = text[: len(text) - size], text[len(text) - size :]
        if typed:
            yield from self._keys.feed(typed)
        return rest

    def _pasted(self, text: str) -> Generator[Message, None, str]:
        """Yields the paste if its end is in the text; returns the rest of the text."""
        if not self._marked:
            self._keep(text)
            return ""
        if text == _INTERRUPT and self._paused:  # Ctrl-C on its own: the end mark never comes, and a person waits
            self._paste = None
            return ""
        # An end mark within the pasted text is followed by the real one.
        until = text.find(BEGIN)
        end = text.rfind(END, 0, until if until >= 0 else len(text))
        if end < 0:
            size = _beginning(text, END)
            self._keep(text[: len(text) - size])
            self._begun = text[len(text) - size :]
            return ""
        self._keep(text[:end])
        yield self._end()
        return text[end + len(END) :]

    def _begin(self, *, marked: bool) -> None:
        self._paste, self._marked, self._size = [], marked, 0

    def _keep(self, text: str) -> None:
        assert self._paste is not None
        self._paste.append(text[: MOST_PASTED - self._size])
        self._size += len(self._paste[-1])

    def _end(self) -> Paste:
        text, self._paste = "".join(self._paste or ()), None
        return Paste(pasted(text))
