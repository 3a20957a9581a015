"""The configuration file: finding it, reading it, and the line of each key."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lanes.config.declared.places import found_config
from lanes.config.declared.refusal import refusal
from lanes.config.reading.access import refuse_writers
from lanes.config.reading.lines import TomlLines
from lanes_storage.sqlite.file.paths import absolute

#: A larger file is refused.
MOST_BYTES = 1_000_000
_TOML_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


class Document(NamedTuple):
    """The content of a file; without a path, the data of an embedding program. ``folder``: what relative paths in it
    are relative to."""

    data: Mapping[str, Any]
    folder: Path
    path: Path | None = None
    lines: TomlLines | None = None
    content: bytes = b""
    found_here: bool = False  # not named, but found in the current folder

    def where(self, *key: str | int) -> str:
        """The file and line of a key, ``lanes.toml:12``, as precisely as it is known."""
        if self.path is None:
            return "configuration"
        line = self.lines.of(key) if self.lines else None
        return f"{self.path}:{line}" if line else str(self.path)


def find(path: Path | None, env: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read: the one that was named, ``LANES_CONFIG``, ``lanes.toml`` in ``cwd``, the user's own.

    A named file must exist (``read`` raises ConfigError); of the others, the first that exists is taken.
    """
    if path is not None:
        return absolute(cwd / path)
    if named := env.get("LANES_CONFIG"):
        return absolute(cwd / named)
    return found_config(env=env, cwd=cwd)


def read(path: Path, *, named: bool, found_here: bool = False) -> Document:
    """Read a file. Raises ConfigError for one that is missing, unreadable, not valid TOML, or writable by others."""
    try:
        with path.open("rb") as file:
            refuse_writers(path, os.fstat(file.fileno()), named=named)
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise refusal(str(path), "", "there is no such configuration file", "name another one") from None
    except OSError as error:
        problem = f"it cannot be read ({os.strerror(error.errno) if error.errno else error})"
        raise refusal(str(path), "", problem, "name a readable file") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise refusal(f"{path}:{line}", "", "it is not UTF-8", "save it as UTF-8") from None
    if len(content) > MOST_BYTES:
        raise refusal(str(path), "", f"it is larger than {MOST_BYTES:,} bytes", "name a configuration file")
    return Document(_parsed(path, text), path.parent, path, TomlLines(text), content, found_here)


def _parsed(path: Path, text: str) -> dict[str, Any]:
    # Imported here, so that only a process with a file pays for the parser.
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.fullmatch(str(error))
        problem = place[1] if place else str(error)
        line = (place and place[2]) or text.count("\n") + 1
        raise refusal(f"{path}:{line}", "", f"not valid TOML: {problem}", "correct that line") from None
    except ValueError:  # a number of more digits than Python converts
        raise refusal(_line_of_number(path, text), "", "a number in it is too long", "correct that number") from None
    except RecursionError:
        raise refusal(
            str(path), "", "its values are nested too deeply", "no setting needs more than one list"
        ) from None


def _line_of_number(path: Path, text: str) -> str:
    """The line of the number that is too long: the first long line up to which the text fails to parse in that way."""
    import tomllib

    lines = text.split("\n")
    for count, line in enumerate(lines, 1):
        if len(line) > sys.get_int_max_str_digits():
            try:
                tomllib.loads("\n".join(lines[:count]))
            except tomllib.TOMLDecodeError:
                continue  # within a text or a list of several lines
            except ValueError:
                return f"{path}:{count}"
    return str(path)
