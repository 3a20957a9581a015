"""``lanes doctor``: problems, the evidence, and what to do."""

from contextlib import nullcontext

from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for
from lanes.commands.output.printing import Cell, Output
from lanes.commands.output.progress import announce, bar
from lanes.drivers.driver import Driver
from lanes.explain.phrases import counted
from lanes.records import Check, Level
from lanes.verbs.examining import doctor
from lanes_storage.sqlite import path_of

WORSE = [Level.OK, Level.WARNING, Level.BROKEN]
LOOKS = {Level.OK: "good", Level.WARNING: "warn", Level.BROKEN: "bad"}


def _print(out: Output, found: list[Check]) -> None:
    for check in sorted(found, key=lambda check: WORSE.index(check.level)):  # the worst last, to stay on the screen
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


def _examined(out: Output, desk: Driver) -> list[Check]:
    """Examine a file, with a progress bar for a large one."""
    large = announce(out, "examining", path_of(desk.name))
    with bar("examining") if large else nullcontext() as progress:
        found: list[Check] = desk.call(doctor, progress=progress)
    return found


@command_for(doctor)
def command(session: Session, /) -> int:
    out = session.out
    with session.desk(opened=False) as desk:
        found = desk.call(doctor) if session.url is not None else _examined(out, desk)
    if out.json:
        out.data(found)
    else:
        _print(out, found)
    return Exit.FAILED if any(check.level is Level.BROKEN for check in found) else Exit.DONE
