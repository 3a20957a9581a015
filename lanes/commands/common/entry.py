"""From the process's arguments to its exit code. Expected errors become one sentence, never a traceback."""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from lanes.base.errors import LanesError
from lanes.commands.common.app import lanes
from lanes.commands.common.exits import Exit, exit_of, sentence
from lanes.commands.common.session import Session
from lanes.commands.output.printing import say
from lanes_storage.errors import DatabaseLocked, NotStorable, StorageError


def run(args: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    if sys.stdin is None:  # closed by what started this process: there is nothing to read
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    session = Session()
    code = _code_of(lambda: lanes.main(args=args, prog_name="lanes", standalone_mode=False, obj=session))
    return _code_of(session.out.flush) or code


def _code_of(work: Callable[[], object]) -> int:
    """The exit code of what was done: the one that it gives, or that of its error, which is printed."""
    try:
        given = work()
    except click.ClickException as error:
        return _refused(error)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except (LanesError, StorageError, NotStorable) as error:
        say(f"lanes: {sentence(error)}")
        if isinstance(error, DatabaseLocked):
            _name_the_holder(error.database)
        return exit_of(error)
    except OSError as error:
        if error.errno == errno.EPIPE:  # click prints help itself, and nobody reads it to its end
            return Exit.DONE
        if error.errno == errno.ENOSPC:
            return _refused(click.ClickException(f"the output cannot be written: {error.strerror}"))
        if error.filename is None:
            raise
        say(f"lanes: {error.filename}: {error.strerror}{_fix(error)}")
        return Exit.UNREACHABLE
    return given if isinstance(given, int) else Exit.DONE


def _fix(error: OSError) -> str:
    """What may help where this user may not open a file."""
    if not isinstance(error, PermissionError):
        return ""
    from lanes.config.declared.places import home_dir

    at_home = Path(error.filename).is_relative_to(home_dir())
    return ": is HOME that of this user?" if at_home else ": check the owner and mode of the file and its folder"


def _name_the_holder(database: str) -> None:
    from lanes.doctor.blockers import remedy

    found = remedy(database)
    if found is not None:
        say(f"lanes: {found}")


def _refused(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)  # the help, which is ours
    elif isinstance(error, click.UsageError) and error.ctx is not None:
        say(error.ctx.get_usage())
        said = error.format_message().replace("\n\t", " ")  # a choice, which click lists line by line
        say(f"lanes: {said} (`{error.ctx.command_path} --help` tells more)")
    else:
        say(f"lanes: {error.format_message()}")
    return error.exit_code
