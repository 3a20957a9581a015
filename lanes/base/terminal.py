"""Escaping of untrusted text for terminals, and the rule for session keys.

Keys, texts, errors and names come from outside. None of them may move the cursor, set a colour, turn the reading
direction or write the clipboard, so each passes through ``clean`` before it is shown.
"""

import os
import re
from typing import TextIO
from unicodedata import category

from lanes.base.errors import InvalidKey
from lanes.base.secrets import SECRET_NAME
from lanes_storage.law import MAX_KEY

_TAB = "    "
#: Patterns are plain strings here and in other modules that fast commands import, so that ``re`` compiles each one only
#: when it is first used.
_CONTROL = r"[\x00-\x1f\x7f-\x9f]"
_PASSWORD = r"(?<=://)([^/@]*?):[^/]*@"
_SECRET_IN_QUERY = rf"([?&][^=&#\s]*{SECRET_NAME}[^=&#\s]*=)[^&#\s]+"
#: Printable characters that show nothing: Hangul fillers, the Braille blank, the grapheme joiner, Khmer's inherent
#: vowels, variation selectors of Mongolian and of ideographs; and those of symbols, where they follow no symbol.
_UNSEEN = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]"
    r"|(?:(?<=[\w\s:./@-])|^)[\ufe00-\ufe0f](?!\u20e3)"
)
_SURROGATE = r"[\ud800-\udfff]"


def clean(text: str, *, keep_newlines: bool = False) -> str:
    r"""``text`` with everything that is not plainly printable shown as an escape (``\x1b``, ``\u202e``).

    Escaped are control characters (C0, DEL, C1), format characters (bidi, zero width, joiners, tags), lone
    surrogates, line and paragraph separators, private use and unassigned characters, and letters and marks that show
    nothing (Hangul fillers, the blank of Braille, variation selectors but those of emoji). Other letters, digits,
    signs, marks and spaces of every script stay. The result is encodable, and cleaning it again changes nothing.

    With ``keep_newlines`` line feeds stay, CR LF becomes one, and a tab becomes four spaces: the form for
    texts of several lines. A lone CR is escaped either way, since it would overwrite its own line.
    """
    if text.isprintable() and (text.isascii() or re.search(_UNSEEN, text) is None):
        return text
    text = re.sub(_UNSEEN, lambda unseen: _escape(unseen[0]), text)
    if not keep_newlines:
        return "".join(c if _plain(c) else _escape(c) for c in text)
    unified = text.replace("\r\n", "\n").replace("\t", _TAB)
    return "".join(c if c == "\n" or _plain(c) else _escape(c) for c in unified)


def check_key(key: str) -> str:
    """Return ``key`` unchanged if it may name a lane.

    Raises ``InvalidKey`` for an empty key, for one of more than 512 characters, and for one that holds a
    control character (category Cc) or a lone surrogate. Format characters are allowed.
    """
    if not isinstance(key, str):
        raise InvalidKey(f"it must be a text, not {type(key).__name__}")
    if not key:
        raise InvalidKey("it is empty")
    if len(key) > MAX_KEY:
        raise InvalidKey(f"it has {len(key)} characters; at most {MAX_KEY} are allowed")
    if key.isprintable():
        return key
    if match := re.search(_CONTROL, key):
        raise InvalidKey(f"character {match.start() + 1} is the control character {_escape(match[0])}")
    if match := re.search(_SURROGATE, key):
        raise InvalidKey(f"character {match.start() + 1} is half a character ({_escape(match[0])})")
    return key


def without_password(url: str) -> str:
    """A URL of a database or a provider without its secrets, to be shown and stored. A plain path stays unchanged."""
    if "://" not in url:
        return url
    return re.sub(_SECRET_IN_QUERY, r"\1***", re.sub(_PASSWORD, r"\1@", url), flags=re.IGNORECASE)


def _plain(character: str) -> bool:
    # isprintable() refuses every space but U+0020; the others (no-break, ideographic) only take up room.
    return character.isprintable() or category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def is_terminal(*streams: TextIO | None) -> bool:
    """Whether all of these are terminals. A stream that was closed when the process started is None."""
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def paints(*streams: TextIO | None) -> bool:
    """Whether all of these are terminals that can show a full-screen program."""
    return is_terminal(*streams) and os.environ.get("TERM") != "dumb"


def hung_up(terminal: int) -> bool:
    """Whether the other end of a terminal (a file descriptor) is closed. Not every process gets a SIGHUP for that."""
    import select

    poll = select.poll()
    poll.register(terminal, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
