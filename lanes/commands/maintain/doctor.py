"""``lanes doctor``: what is wrong, the evidence, and what to do."""

import click

from lanes.base.errors import ConfigError
from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import Cell, Output
from lanes.doctor import Check, Level, examine
from lanes.explain.phrases import counted
from lanes.verbs.system import doctor
from lanes_storage.clock import system_clock
from lanes_storage.sqlite import path_of

LOOKS = {Level.OK: "good", Level.WARNING: "warn", Level.BROKEN: "bad"}


@click.command(
    "doctor",
    epilog="""\b
    Examples:
      lanes doctor
      lanes doctor --json | jq '.[] | select(.level != "ok")'
    """,
)
@pass_session
def command(session: Session) -> int:
    """Look for what is wrong, and say what to do. Changes nothing.

    The invariants, the file, its disk and permissions, the owners and their configurations, clocks, the port.

    Exit code 1 only for a broken invariant, or a file that is damaged or lies on a network file system; the rest
    are warnings.
    """
    found = _there(session, session.url) if session.url else _here(session)
    if session.out.json:
        session.out.data(found)
    else:
        _print(session.out, found)
    return Exit.FAILED if any(check.level is Level.BROKEN for check in found) else Exit.DONE


def _here(session: Session) -> list[Check]:
    path = path_of(session.database())
    listens, refused = _listens(session)
    return [*refused, *examine(path, system_clock, listens=listens)]


def _there(session: Session, url: str) -> list[Check]:
    """What the gateway finds when it looks at its database."""
    with session.remote(url) as desk:
        found: list[Check] = desk.call(doctor)
        return found


def _listens(session: Session) -> tuple[tuple[str, int] | None, list[Check]]:
    """Where a gateway of this configuration would listen. A configuration that is refused is a finding."""
    try:
        config = session.config()
    except ConfigError as error:
        return None, [Check("configuration_file", Level.WARNING, str(error), "mend it: no gateway starts with it")]
    return (config.gateway.host, config.gateway.port), []


def _print(out: Output, found: list[Check]) -> None:
    for check in found:
        out.line(Cell(f"{check.level:<8}", LOOKS[check.level]), f" {check.check}: {check.message}")
        if check.fix is not None:
            out.line(" " * 9, f"→ {check.fix}")
    wrong = [check for check in found if check.level is not Level.OK]
    broken = sum(check.level is Level.BROKEN for check in wrong)
    if broken:
        out.talk(f"{counted(broken, 'thing')} broken, {counted(len(wrong) - broken, 'warning')}")
    elif wrong:
        out.talk(f"nothing is broken; {counted(len(wrong), 'warning')}")
    else:
        out.talk("all is well")
