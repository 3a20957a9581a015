"""What a terminal sends: keys, the mouse, and texts that are pasted. A pasted text is one event, and never a key.

The toolkit's own parser ends a paste at the first escape in it, and takes what follows for keys. A coloured log that
is pasted would then press whatever letters are in it.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterator

from textual._xterm_parser import XTermParser
from textual.events import Key, Paste
from textual.message import Message

BEGIN, END = "\x1b[200~", "\x1b[201~"
#: More characters than that in one read are typed by nobody: a terminal without marks around a paste sent them.
MOST_TYPED = 100
#: More of one paste is not kept; no field takes as much.
MOST_PASTED = 1_000_000
#: How long is waited for what belongs to an escape, and for more of a paste that has no end mark, in seconds.
QUIET_S = 0.1
#: Colours, titles and other commands to a terminal: dropped as a whole, so that a coloured log is pasted as its text.
_COMMAND = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)")
#: What is sent for one key, or for the mouse, that is no character.
_KEY = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO?.")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INTERRUPT = "\x03"


def pasted(text: str) -> str:
    """A text without what commands a terminal; line ends and tabs stay."""
    return _CONTROL.sub("", _COMMAND.sub("", text))


def _beginning(text: str, mark: str) -> int:
    """How many characters at the end of a text may be the beginning of a mark."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0)


class TypedStream:
    """Makes events of the bytes that a terminal sends, in whatever pieces they come."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._keys = XTermParser()
        self._begun = ""  # may be the beginning of a mark
        self._late = ""  # was taken for a key, and may yet have been the beginning of a paste
        self._paste: list[str] | None = None
        self._marked = False  # the paste ends at its mark; else with the first pause
        self._paused = False  # nothing came before what comes now

    def feed(self, data: bytes) -> Iterator[Message]:
        """The events of what was read."""
        text = self._begun + self._decode(data)
        if (self._late + text).startswith(BEGIN):
            text = BEGIN + text[len(BEGIN) - len(self._late) :]
        self._begun = self._late = ""
        while text:
            text = yield from self._typed(text) if self._paste is None else self._pasted(text)
        self._paused = False

    def quiet(self) -> Iterator[Message]:
        """The events of a pause, in which nothing came: of a single escape, and the end of a paste without marks."""
        self._paused = True
        if self._paste is not None:
            if not self._marked:
                yield self._end()
        elif self._begun in ("\x1b", "\x1b["):  # more of the mark than that is no key of anyone
            self._late, self._begun = self._begun, ""
            if self._late == "\x1b":
                yield Key("escape", "\x1b")
            else:
                yield from self._keys.feed(self._late)
        yield from self._keys.tick()

    def _typed(self, text: str) -> Generator[Message, None, str]:
        """The events up to a paste; returns what is left of the text."""
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
        """The paste, if its end is in the text; returns what is left of the text."""
        if not self._marked:
            self._keep(text)
            return ""
        if text == _INTERRUPT and self._paused:  # somebody waits: the terminal never sends the end
            self._paste = None
            return ""
        # An end that is part of what was pasted has another one behind it.
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
