"""Nothing that comes from outside can look like a line of the log."""

import logging
import re
import sys
from typing import Any

import pytest

from lanes.logs.lines import LONGEST, LineFormatter

BEGINS = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [a-z.]+: ")
FORGED = "2026-11-28 00:00:00,000 CRITICAL lanes: all is lost"


def record(message: object, *args: Any, error: BaseException | None = None) -> logging.LogRecord:
    """What a logger would hand on."""
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("lanes.test", logging.WARNING, __file__, 1, message, args, info)


def raised(words: str) -> BaseException:
    """An exception with a traceback."""
    try:
        raise ValueError(words)
    except ValueError:
        error = sys.exc_info()[1]
        assert error is not None
        return error


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_F116_foreign_words_forge_no_line(newline: str) -> None:
    words = f"harmless{newline}{FORGED}\x1b[2J\x07"
    for each in (record("%s", words), record("it raised", error=raised(words))):
        said = LineFormatter().format(each)
        first, *rest = re.split("[\r\n\x0b\x0c\x1c\x85\u2028\u2029]", said)
        assert BEGINS.match(first)
        assert all(line.startswith("  | ") for line in rest)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", said)


def test_a_traceback_can_be_read() -> None:
    said = LineFormatter().format(record("it raised", error=raised("why")))
    assert "  | Traceback (most recent call last):\n" in said
    assert said.endswith("  | ValueError: why")


def test_a_record_that_can_not_be_shown_is_still_a_line() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError(f"no\n{FORGED}")

    said = LineFormatter().format(record("%s", Hostile()))
    assert BEGINS.match(said)
    assert "\n" not in said
    assert "RuntimeError" in said


def test_a_record_has_a_length() -> None:
    said = LineFormatter().format(record("%s", "x" * 10_000_000))
    assert len(said) < LONGEST + 100
    assert said.endswith("more characters)")
