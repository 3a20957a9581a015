"""``lanes config``: every effective setting and where it came from."""

from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import click

from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Output, Piece
from lanes.records import SettingValue

if TYPE_CHECKING:
    from lanes.config import Config

COLUMNS = (
    OutputColumn("SETTING", cut="middle", least=24),
    OutputColumn("VALUE", cut="end", least=12),
    OutputColumn("ORIGIN"),
    OutputColumn("WHERE", cut="middle", least=12),
)


@click.command(
    "config",
    epilog="""\b
    Examples:
      lanes config                       what holds here, and why
      lanes config --check lanes.toml    before a gateway is started with it
    """,
)
@click.option("--check", metavar="FILE", help="Only check that file as a gateway would; exit code 78 if it is refused.")
@pass_session
def command(session: Session, check: str | None) -> int:
    """Every effective setting, and where it came from.

    A flag wins over the environment, that over the file, that over the default. A value that was
    adjusted to fit others has the origin derived. No secret is shown.

    With --check it does what `lanes gateway` does before it opens its database: it reads the file, loads the functions
    that it names, looks for its secrets in this environment, and takes its address for a moment.
    """
    if check is not None:
        return _check(session.out, Path(check))
    config = session.config(quietly=True)  # its path is printed below
    settings = [_found(setting) for setting in config.settings()]
    if session.out.json:
        session.out.data(settings)
        return Exit.DONE
    session.out.talk(f"configuration file: {config.source or 'none'}")
    session.out.table(COLUMNS, [_row(setting) for setting in settings])
    for problem in config.refusals():
        session.out.talk(f"a gateway would refuse this here: {problem}")
    return Exit.DONE


def _check(out: Output, path: Path) -> int:
    """Load one file as a gateway in this environment would. Raises ConfigError."""
    from lanes.config import load
    from lanes.server.preflight import address_refused, refusals

    config = load(path)
    problems = [str(problem) for problem in refusals(config)] or [str(problem) for problem in address_refused(config)]
    runners, warnings = [runner.name for runner in config.runners], list(_not_installed(config))
    if out.json:
        out.data({"file": str(config.source), "runners": runners, "problems": problems, "warnings": warnings})
    elif not problems:
        out.line(f"{config.source}: accepted; runners: {', '.join(runners)}")
    for warning in () if out.json else warnings:
        out.talk(f"warning: {warning}")
    for problem in problems:
        out.trouble("configuration", problem, Exit.CONFIG)
    return Exit.CONFIG if problems else Exit.DONE


def _not_installed(config: "Config") -> Iterator[str]:
    """Warnings about programs of runners that do not exist here. A relative path, which starts in the folder of each
    run, is not checked."""
    for runner in config.runners:
        program = runner.command.argv[0] if runner.command is not None else ""
        if ("/" not in program or program.startswith("/")) and program and which(program) is None:
            where = "there is no such program" if "/" in program else "it is not in this PATH"
            yield f"runner {runner.name} starts {program}, and {where}: until it is installed each run fails"


def _found(setting: SettingValue) -> SettingValue:
    """The setting as it is shown: for a database that is not named, the one that commands find."""
    if setting.name == "database.url" and setting.value is None:
        from lanes.commands.common.database import unnamed
        from lanes.config.declared.places import ChosenBy

        found, _ = unnamed()
        where = {ChosenBy.GATEWAY: "the living gateway", ChosenBy.LAST: "the last gateway"}
        return setting.replace(value=found.url, where=where.get(found.why, ""))
    return setting


def _row(setting: SettingValue) -> list[Piece]:
    value = setting.value
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, list):
        value = ", ".join(value)
    return [setting.name, "" if value is None else str(value), setting.origin, setting.where]
