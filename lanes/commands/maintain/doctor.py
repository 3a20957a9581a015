"""``lanes doctor``: what is wrong, the evidence, and what to do."""

from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import query_command
from lanes.commands.output.printing import Cell, Output
from lanes.explain.phrases import counted
from lanes.records import Check, Level
from lanes.verbs.examining import doctor

WORSE = [Level.OK, Level.WARNING, Level.BROKEN]
LOOKS = {Level.OK: "good", Level.WARNING: "warn", Level.BROKEN: "bad"}


def _print(out: Output, found: list[Check]) -> None:
    for check in sorted(found, key=lambda check: WORSE.index(check.level)):  # the worst stays on the screen
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


def _exit_code(_: Session, found: list[Check]) -> int:
    return Exit.FAILED if any(check.level is Level.BROKEN for check in found) else Exit.DONE


command = query_command(doctor, _print, exit_code=_exit_code, opened=False)
