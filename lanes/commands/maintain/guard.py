"""``lanes guard PROGRAM``: point a program that runs agents at lanes, and back."""

import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import click

from lanes.commands.common.exits import Exit
from lanes.commands.common.session import Session, pass_session

if TYPE_CHECKING:
    from lanes.commands.output.printing import Output
    from lanes.guard.installing import Installation
    from lanes.guard.units import ServiceUnit

NAMES = ("openclaw", "codex", "claude", "opencode", "hermes")
#: How long a gateway that was just started may take to answer.
STARTS_WITHIN_S = 10.0


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
@click.option("--write", is_flag=True, help="Do it; without, only the changes are shown.")
@click.option("--undo", is_flag=True, help="Take back what --write changed.")
@click.option(
    "--upstream", metavar="URL", help="Where its models are, such as https://host/v1. [default: as it is set now]"
)
@click.option("--no-service", is_flag=True, help="Install no user unit that starts the gateway.")
@pass_session
def command(session: Session, program: str, write: bool, undo: bool, upstream: str | None, no_service: bool) -> int:
    """Put lanes in front of the models of a program.

    Each of its requests is then a run of a lane: seen, timed, and ended by `lanes abort`. A provider and a source are
    added to lanes.toml, the program is pointed at them with its own key, and a user unit starts the gateway.
    """
    from lanes.guard import installing
    from lanes.guard.programs import PROGRAMS
    from lanes.guard.units import environment_of

    if write and undo:
        raise click.UsageError("take one of --write and --undo")
    chosen = PROGRAMS[program]
    if undo:
        return _undo(session.out, program)
    config = session.serving_config()
    plan = installing.planned(
        chosen,
        host=config.gateway.host,
        port=config.gateway.port,
        config=config.source,
        upstream=upstream,
        service=not no_service,
        environment=environment_of(config),
    )
    if not session.out.json:
        session.out.block(plan.secretless_diff.rstrip())
        session.out.flush()  # before anything is done
    if not write:
        session.out.talk(f"nothing was changed; `lanes guard {program} --write` does it")
        _tell(session.out, plan, "planned")
        return Exit.DONE
    tried = []

    def begin() -> None:
        session.out.changed = True
        if plan.unit is not None:
            _run(session.out, plan.unit.start)  # one that runs goes on
        tried.append(_tried(session.out, plan))

    installing.install(plan, begin)
    session.out.talk(f"{program}: {chosen.after}; `lanes guard {program} --undo` takes it back")
    _tell(session.out, plan, *tried)
    return Exit.DONE


def _undo(out: "Output", program: str) -> int:
    from lanes.guard import installing
    from lanes.guard.programs import PROGRAMS

    chosen = PROGRAMS[program]
    changes = installing.undone(chosen)

    def stop(unit: "ServiceUnit") -> None:
        time.sleep(chosen.reads_within_s)  # it goes on asking the gateway until then
        _run(out, unit.stop)

    installing.undo(chosen, changes, stop)
    out.changed = True
    if out.json:
        out.data({"program": program, "files": [str(each.path) for each in changes], "state": "undone"})
    for changed in changes:
        out.talk(f"{changed.path}: as it was")
    return Exit.DONE


def _tell(out: "Output", plan: "Installation", state: str) -> None:
    if out.json:
        files = [str(each.path) for each in plan.changes]
        out.data({"program": plan.program.name, "upstream": plan.upstream, "files": files, "state": state})


def _run(out: "Output", command_line: tuple[str, ...]) -> None:
    done = subprocess.run(command_line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        out.talk(f"`{' '.join(command_line)}` failed: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _tried(out: "Output", plan: "Installation") -> str:
    """Send one request through, and say how it ended."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is for other machines
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            with opener.open(f"{plan.url}/models", timeout=STARTS_WITHIN_S) as answer:
                status, ours = answer.status, False
        except urllib.error.HTTPError as error:
            status = error.code
            ours = b"there is no source of that name" in error.read(4096)
        except OSError:
            if time.monotonic() < deadline and plan.unit is not None:
                time.sleep(0.2)
                continue
            how = "start it with `lanes gateway`"
            if plan.unit is not None:
                how = f"`{' '.join(plan.unit.status)}` says why, or {how}"
            out.talk(f"no gateway answers yet: {how}; until then the program has no models")
            return "no gateway"
        if ours:
            how = "restart it" if plan.unit is None else f"restart it (`{' '.join(plan.unit.restart)}`)"
            out.talk(f"the gateway that runs does not know this source yet: {how}")
            return "restart the gateway"
        if status == 502:
            out.talk(f"lanes answers, but {plan.upstream} could not be reached")
            return "upstream not reached"
        out.talk(f"a request passed: {plan.upstream} answered {status} (a key was not sent)")
        return "protected"
