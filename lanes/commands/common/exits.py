"""Exit codes, and the errors that they stand for. Scripts depend on these numbers."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NoReturn

import click

from lanes.base import errors
from lanes.commands.output.printing import Output
from lanes_storage.errors import DatabaseLocked, NotStorable, StorageError


class Exit(IntEnum):
    """Every exit code of ``lanes``."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3  # no such lane or message
    NOTHING = 4  # nothing to abort
    UNCONFIRMED = 5  # not confirmed in time
    UNREACHABLE = 69  # gateway or database not reachable
    BUSY = 75  # lane busy or queue full
    CONFIG = 78
    INTERRUPTED = 130


#: The first match decides.
_OF_ERRORS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Exit], ...] = (
    ((StorageError, errors.Unreadable), Exit.UNREACHABLE),
    (NotStorable, Exit.USAGE),
    (errors.NotFound, Exit.NOT_FOUND),
    ((errors.Unfit, errors.IdempotencyConflict, errors.TooMuch), Exit.USAGE),
    (errors.WaitCycle, Exit.FAILED),
    (errors.Refused, Exit.BUSY),
    (errors.ConfigError, Exit.CONFIG),
    (errors.LanesError, Exit.FAILED),
)
#: What to do next, where the error's own sentence does not say it.
_HINTS: tuple[tuple[type[Exception], str], ...] = (
    (errors.Unreadable, "is it a gateway of lanes, and not older than this command?"),
    (errors.IdempotencyConflict, "use another key for another text"),
)
#: The codes for programs of errors that have none over HTTP.
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (errors.ConfigError, "configuration"),
    (errors.Unreadable, "unreadable"),
)
_WHERE_TO_LOOK = {
    "lane": "`lanes list` shows the lanes",
    "lane of this database": "another program runs it: `lanes why KEY` explains it, `lanes events` shows what was done",
    "message": "`lanes messages KEY` shows those of a lane",
    "living gateway": "`lanes status` shows the gateways",
    "provider": "`lanes providers` shows them",
    "source": "`here`, or one that `lanes status` shows",
}
#: For several lanes, the first of these that occurred decides.
_GRAVEST = (Exit.UNREACHABLE, Exit.FAILED, Exit.UNCONFIRMED, Exit.NOT_FOUND)


def exit_of(error: Exception) -> Exit:
    """The exit code of an expected error."""
    return exit_of_kind(type(error))


def exit_of_kind(kind: type[Exception]) -> Exit:
    """The exit code of every error of that type."""
    return next(code for kinds, code in _OF_ERRORS if issubclass(kind, kinds))


def print_error(out: Output, error: errors.LanesError | StorageError | NotStorable) -> Exit:
    """Print an expected error, with what to do next; returns its exit code."""
    code, members = _for_programs(error) if out.json else ("", {})
    exit_code = exit_of(error)
    out.trouble(code, str(error), exit_code, fix_of(error), **members)
    return exit_code


def gravest(codes: Iterable[Exit]) -> Exit | None:
    """The exit code for several lanes, from their codes; None if none of them failed."""
    met = set(codes)
    return next((code for code in _GRAVEST if code in met), None)


def _for_programs(error: errors.LanesError | StorageError | NotStorable) -> tuple[str, Mapping[str, Any]]:
    """The code for an error, and its values, as in a problem document of HTTP."""
    from lanes.records.problems import problem_of

    if isinstance(error, StorageError):
        return error.code, {}
    problem = problem_of(error)
    return next((code for kind, code in _CODES if isinstance(error, kind)), problem.code), problem.members


def fix_of(error: Exception) -> str:
    """What to do next about an expected error; empty if its own sentence says it."""
    if isinstance(error, DatabaseLocked):
        from lanes.doctor.blockers import remedy

        return remedy(error.database) or error.fix
    if isinstance(error, StorageError):
        return error.fix
    if isinstance(error, errors.NotFound):
        return _WHERE_TO_LOOK.get(error.what, "")
    if isinstance(error, errors.LaneBusy):
        if error.rejects:
            return "repeat it when the lane is free, or set another mode in its policy"
        return "without --if-idle it waits its turn"
    if isinstance(error, errors.QueueFull):
        from lanes.text.naming import on_lane

        return f"wait, or see what waits with `{on_lane('messages', error.key, '--state', 'queued')}`"
    return next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")


def fail(message: str) -> NoReturn:
    """Refuse the arguments of the command, with its usage."""
    click.get_current_context().fail(message)
