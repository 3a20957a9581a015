"""``lanes guard PROGRAM``: point a program that runs agents at lanes, or undo that."""

import subprocess
import time
from shutil import which
from typing import TYPE_CHECKING

import click

from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session, pass_session

if TYPE_CHECKING:
    from lanes.commands.output.printing import Output
    from lanes.guard.installing import Installation
    from lanes.guard.units import ServiceUnit

NAMES = ("openclaw", "codex", "claude", "opencode", "hermes")


@click.command(
    "guard",
    epilog="""\b
    Examples:
      lanes guard codex                what would be changed
      lanes guard codex --write        change it
      lanes guard codex --undo         take back exactly that
    """,
)
@click.argument("program", type=click.Choice(NAMES))
@click.option("--write", is_flag=True, help="Make the changes; otherwise they are only shown.")
@click.option("--undo", is_flag=True, help="Take back what --write changed.")
@click.option(
    "--upstream", metavar="URL", help="The address of its models, such as https://host/v1. [default: its present one]"
)
@click.option("--no-service", is_flag=True, help="Install no user unit that starts the gateway.")
@pass_session
def command(session: Session, program: str, write: bool, undo: bool, upstream: str | None, no_service: bool) -> int:
    """Put lanes in front of the models of a program.

    Each of its requests is then a run of a lane: seen, timed, and ended by `lanes abort`. A provider and a source are
    added to lanes.toml, the program is pointed at them with its own key, and a user unit starts the gateway.
    """
    from lanes.guard.installing import alone

    if write and undo:
        raise click.UsageError("give one of --write and --undo")
    if undo:
        with alone():
            return _undo(session.out, program)
    if write:
        with alone():
            return _write(session, _plan(session, program, upstream, service=not no_service))
    plan = _plan(session, program, upstream, service=not no_service)
    session.out.talk(f"nothing was changed; `lanes guard {program} --write` does it")
    _print_json(session.out, plan, "planned")
    return Exit.DONE


def _plan(session: Session, program: str, upstream: str | None, *, service: bool) -> "Installation":
    """Plan the changes, and print them."""
    from lanes.guard.installing import planned
    from lanes.guard.programs import PROGRAMS
    from lanes.guard.units import environment_of

    config = session.serving_config()
    plan = planned(
        PROGRAMS[program],
        host=config.gateway.host,
        port=config.gateway.port,
        config=config.source,
        upstream=upstream,
        service=service,
        environment=environment_of(config),
    )
    if which(program) is None:
        session.out.talk(f"{program} is not in this PATH: is it installed? This changes only its settings")
    if not session.out.json:
        session.out.block(plan.secretless_diff.rstrip())
        session.out.flush()  # before anything is done
    return plan


def _write(session: Session, plan: "Installation") -> int:
    from lanes.guard.installing import install
    from lanes.guard.trial import tried

    out, program, trials = session.out, plan.program, []

    def begin() -> None:
        out.changed = True
        begun = plan.unit is not None and _run(out, plan.unit.start)  # a running unit continues
        trials.append(tried(plan if begun else plan._replace(unit=None)))
        out.talk(trials[0].sentence)

    install(plan, begin)
    out.talk(f"{program.name}: {program.after}; `lanes guard {program.name} --undo` takes it back")
    _print_json(out, plan, trials[0].state)
    return Exit.DONE


def _undo(out: "Output", program: str) -> int:
    from lanes.guard import installing
    from lanes.guard.programs import PROGRAMS

    chosen = PROGRAMS[program]
    changes = installing.undone(chosen)

    def stop(unit: "ServiceUnit") -> None:
        time.sleep(chosen.reads_within_s)  # until then the program may still ask the gateway
        _run(out, unit.stop)

    installing.undo(chosen, changes, stop)
    out.changed = True
    if out.json:
        out.data({"program": program, "files": [str(each.path) for each in changes], "state": "undone"})
    for changed in changes:
        out.talk(f"{changed.path}: undone")
    return Exit.DONE


def _print_json(out: "Output", plan: "Installation", state: str) -> None:
    if out.json:
        files = [str(each.path) for each in plan.changes]
        out.data({"program": plan.program.name, "upstream": plan.upstream, "files": files, "state": state})


def _run(out: "Output", command_line: tuple[str, ...]) -> bool:
    """Run a command; returns whether it succeeded, and prints the last line of its stderr if not."""
    done = subprocess.run(command_line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        out.talk(f"`{' '.join(command_line)}` failed: {lines[-1]}")
    return done.returncode == 0
