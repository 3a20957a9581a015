"""Changes files of other programs, so that each change can be undone exactly.

A change is a new text (``ours``) and the text that it replaced (``before``). It is undone only if the file contains the
new text exactly once: a piece that somebody has changed since is not touched.
"""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from lanes.base.errors import ConfigError
from lanes.guard.jsontext import Edit
from lanes.host.files import put

BACKUP = ".before-lanes"
#: Some editors write it before a text. It is kept, and not counted in the positions of edits.
BYTE_ORDER_MARK = "\ufeff"
#: A secret in a line of a configuration: the value of a name such as ``key``, headers, the user in a URL, and a bearer
#: or basic token.
_SECRET = re.compile(
    r"""((?:key|token|secret|password|passwd|auth|authorization|cookie|credentials?)["']?\s*[:=]\s*)"""
    r"""(?!["']?(?:client|true|false)["']?\s*(?:[,}]|$))("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|(?:(?:Bearer|Basic)\s+)?[^\s,}]+)"""
    r"""|(headers["']?\s*[:=]\s*)\{[^\r\n]*"""
    r"""|(://)[^/\s"'@]+(?=@)"""
    r"""|(\b(?:Bearer|Basic)\s+)[^\s"',}]+""",
    re.IGNORECASE,
)

_LINE = re.compile(r".*\n|.+")


class Replaced(NamedTuple):
    """A replaced piece of a file: the new text, and the one before."""

    ours: str
    before: str


class ChangedFile(NamedTuple):
    """A file before and after a change. ``before``: None if there was no file. ``goes``: the file is deleted."""

    path: Path
    before: str | None
    after: str
    pieces: tuple[Replaced, ...]
    goes: bool = False

    def diff(self) -> str:
        """The change for a person: only the lines that differ, without the secrets in them."""
        before, after = (_LINE.findall(each) for each in (self.before or "", self.after))
        lines = difflib.unified_diff(before, after, str(self.path), str(self.path), n=0)
        return "".join(_SECRET.sub(r"\1\3\4\5***", _complete_line(line)) for line in lines)


def _complete_line(line: str) -> str:
    """A line of a diff with its newline; if the file has none there, followed by the note that `diff` writes."""
    return line.replace("\r\n", "\n") if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def read(path: Path) -> str | None:
    """The text of a file, with its own line ends; None if there is none. Raises ConfigError."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def edited(path: Path, before: str | None, edits: Iterable[Edit]) -> ChangedFile:
    """A file with edits, which must not overlap; the texts of edits at one position stand in the given order. New lines
    end as the first line of the file does."""
    text, pieces = (before or "").removeprefix(BYTE_ORDER_MARK), list[Replaced]()
    windows = text.partition("\n")[0].endswith("\r")
    for edit in sorted(edits, key=lambda each: each[:2])[::-1]:
        ours = edit.ours.replace("\n", "\r\n") if windows else edit.ours
        pieces.append(Replaced(ours, text[edit.start : edit.end]))
        text = text[: edit.start] + ours + text[edit.end :]
    mark = BYTE_ORDER_MARK if before and before.startswith(BYTE_ORDER_MARK) else ""
    return ChangedFile(path, before, mark + text, tuple(pieces))


def appended(path: Path, tables: str) -> ChangedFile:
    """A configuration of lanes with tables at its end. Raises ConfigError if a gateway would refuse it."""
    import tomllib

    from lanes.config import from_data

    text = read(path)
    gap = "" if not text or text.endswith("\n") else "\n"
    changed = edited(path, text, [Edit(len(text or ""), len(text or ""), gap + tables)])
    try:
        data = tomllib.loads(changed.after)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    from_data(data, cwd=path.parent)
    return changed


def restored(path: Path, pieces: Sequence[Replaced], *, empty: bool) -> ChangedFile:
    """The file with its former text. If that leaves it empty it is deleted, unless it was ``empty`` before the change.

    Raises ConfigError if the new text was changed since.
    """
    text = read(path)
    after = text or ""
    for piece in pieces:
        if after.count(piece.ours) != 1:
            raise ConfigError(f"{path} was edited since in the place that lanes had changed; undo it by hand")
        after = after.replace(piece.ours, piece.before)
    return ChangedFile(path, text, after, (), goes=not after and not empty)


def write(changed: ChangedFile) -> None:
    """Replace a file atomically, keeping mode and owner; the former content stays beside it, readable only for its
    owner. Raises ConfigError, also if somebody else has changed the file meanwhile."""
    path = changed.path
    if read(path) != changed.before:
        raise ConfigError(f"{path} was changed meanwhile, and was left alone: try again")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if changed.before is not None and changed.pieces:
            put(path.with_name(path.name + BACKUP), changed.before)
        if changed.goes:
            path.unlink(missing_ok=True)
            return
        put(path, changed.after, path if changed.before is not None else None)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error


class ChangeRecord(NamedTuple):
    """What is stored to undo changes. ``done``: all of them were made. ``empty``: files that were empty."""

    done: bool
    files: tuple[tuple[Path, tuple[Replaced, ...]], ...]
    empty: frozenset[Path]

    @classmethod
    def of(cls, changes: Sequence[ChangedFile], *, done: bool) -> "ChangeRecord":
        empty = frozenset(each.path for each in changes if each.before == "")
        return cls(done, tuple((each.path, each.pieces) for each in changes), empty)

    @classmethod
    def parsed(cls, text: str) -> "ChangeRecord":
        """Raises ConfigError."""
        try:
            record = json.loads(text)
            files = ((Path(path), tuple(Replaced(*piece) for piece in pieces)) for path, pieces in record["files"])
            return cls(bool(record["done"]), tuple(files), frozenset(map(Path, record.get("empty", ()))))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigError(f"the record of the changes cannot be read: {error}") from error

    def as_json(self) -> str:
        files = [[str(path), [*map(list, each)]] for path, each in self.files]
        return json.dumps({"done": self.done, "files": files, "empty": sorted(map(str, self.empty))})
