"""From the process's arguments to its exit code. Expected errors become one sentence, never a traceback."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

import click

from lanes.base.errors import LanesError
from lanes.commands.common.app import lanes
from lanes.commands.common.exits import Exit, print_error
from lanes.commands.common.session import Session
from lanes.commands.output.printing import Output, say
from lanes_storage.errors import NotStorable, StorageError


def run(args: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what started this process may have blocked signals, SIGTERM too
    if sys.stdin is None:  # closed by what started this process: there is nothing to read
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    session = Session()
    command_line = sys.argv[1:] if args is None else args
    code = _code_of(
        session, command_line, lambda: lanes.main(args=args, prog_name="lanes", standalone_mode=False, obj=session)
    )
    return _code_of(session, command_line, session.out.flush) or code


def _code_of(session: Session, args: Sequence[str], work: Callable[[], object]) -> int:
    """Call ``work``; returns its exit code, or that of its error, which is printed."""
    try:
        result = work()
    except (click.ClickException, LanesError, StorageError, NotStorable) as error:
        session.json |= "--json" in takewhile(lambda arg: arg != "--", args)  # click may not have reached it
        if isinstance(error, click.ClickException):
            return _refused(session.out, error)
        return print_error(session.out, error)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except OSError as error:
        if error.errno == errno.EPIPE:  # click prints the help itself, and its reader has left
            return Exit.DONE
        if error.errno == errno.ENOSPC:
            return _refused(session.out, click.ClickException(f"the output cannot be written: {error.strerror}"))
        if error.filename is None:
            raise
        return session.out.trouble("file", f"{error.filename}: {error.strerror}", Exit.UNREACHABLE, _fix(error))
    except RuntimeError as error:
        from lanes.host.descriptors import is_no_thread

        if not is_no_thread(error):
            raise
        fix = "raise the limit of processes (`ulimit -u`, TasksMax=, --pids-limit), or end what uses it up"
        return session.out.trouble("no_process", "no further thread can be started", Exit.UNREACHABLE, fix)
    return result if isinstance(result, int) else Exit.DONE


def _fix(error: OSError) -> str:
    """The advice about a file that cannot be opened; empty if there is none."""
    if str(error.filename).startswith("/proc/"):
        return "lanes reads /proc to see which processes live: mount it"
    if not isinstance(error, PermissionError):
        return ""
    from lanes.config.declared.places import home_dir

    at_home = Path(error.filename).is_relative_to(home_dir())
    return "does HOME belong to this user?" if at_home else "check the owner and mode of the file and its folder"


def _refused(out: Output, error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and not out.json:
        click.echo(error.format_message(), err=True)  # the help, which needs no escaping
        return error.exit_code
    if not isinstance(error, click.UsageError):
        return out.trouble("failed", error.format_message(), error.exit_code)
    # for an option whose value is missing, click does not name the command
    more = f"`{'lanes' if error.ctx is None else error.ctx.command_path} --help` tells more"
    if out.json:
        detail = "Missing command." if isinstance(error, click.exceptions.NoArgsIsHelpError) else _one_line(error)
        return out.trouble("usage", detail, error.exit_code, more)
    if error.ctx is not None:
        say(error.ctx.get_usage())
    say(f"lanes: {_one_line(error)} ({more})")
    return error.exit_code


def _one_line(error: click.UsageError) -> str:
    return error.format_message().replace("\n\t", " ")  # a choice, which click lists line by line
