"""Finds the line of each key in a TOML text, which the parser of the standard library does not report."""

import re
from collections.abc import Iterator

#: A key's place: names, and the index within an array of tables.
Path = tuple[str | int, ...]

_TOKEN = re.compile(
    "|".join(
        (
            r'"""(?:\\.|[^\\])*?"{3,5}',  # texts of several lines
            r"'''.*?'{3,5}",
            r'"(?:\\.|[^"\\\n])*"',  # texts of one line
            r"'[^'\n]*'",
            r"#[^\n]*",
            r"[\n\[\]{}=]",
            r"""[^\s"'#\[\]{}=]+""",
            r"[^\S\n]+",
            r".",
        )
    ),
    re.DOTALL,
)
_PART = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')
_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_PLAIN_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class TomlLines:
    """The line of each key in a text that is known to be valid TOML."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._table: Path = ()
        self._counts: dict[Path, int] = {}
        for line, head, is_table in _statements(text.replace("\r\n", "\n")):
            self._note(line, head, is_table)

    def of(self, path: Path) -> int | None:
        """The line of a key, or of the nearest table or array around it; None where nothing is known."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def _note(self, line: int, head: str, is_table: bool) -> None:
        if not is_table:
            path = self._table
            for part in _parts(head):
                path = (*path, part)
                self._lines.setdefault(path, line)
            return
        names = _parts(head)
        self._table = self._resolved(names)
        if head.startswith("[["):
            index = self._counts[tuple(names)] = self._counts.get(tuple(names), -1) + 1
            self._lines.setdefault(self._table, line)
            self._table = (*self._table, index)
        self._lines.setdefault(self._table, line)

    def _resolved(self, names: list[str]) -> Path:
        """The path of a header's names, with the current index after each array of tables on its way."""
        path: Path = ()
        for depth, name in enumerate(names, start=1):
            path = (*path, name)
            index = self._counts.get(tuple(names[:depth]))
            if index is not None and depth < len(names):
                path = (*path, index)
        return path


def _statements(text: str) -> Iterator[tuple[int, str, bool]]:
    """Each statement's line, its head (a header, or the key before ``=``) and whether it is a header."""
    line, start, depth, head, value = 1, 1, 0, "", False
    for token in (found[0] for found in _TOKEN.finditer(text)):
        if token == "\n" and not (value and depth):
            if head.startswith("["):
                yield start, head, True
            depth, head, value = 0, "", False
        elif token in "[{" and value:
            depth += 1
        elif token in "]}" and value:
            depth -= 1
        elif token == "=" and not value:
            yield start, head, False
            value = True
        elif not value and not token.startswith("#") and (head or token.strip()):
            start, head = (start, head + token) if head else (line, token)
        line += token.count("\n")
    if head.startswith("[") and not value:
        yield start, head, True


def _parts(head: str) -> list[str]:
    """The names of a dotted key, unquoted."""
    return [
        _ESCAPES.sub(_unescape, part[1]) if part[1] is not None else part[2] if part[2] is not None else part[3]
        for part in _PART.finditer(head)
    ]


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _PLAIN_ESCAPES.get(match[3], match[3])
