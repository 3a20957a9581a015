"""``lanes providers``: the health of providers, and the end of a cooldown."""

import click

from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for
from lanes.commands.output.layout import OutputColumn
from lanes.commands.output.printing import Cell, Output
from lanes.commands.output.words import lasting, took
from lanes.records import Health, Provider
from lanes.verbs.system import providers, reset_provider

COLUMNS = (
    OutputColumn("PROVIDER", cut="middle"),
    OutputColumn("HEALTH"),
    OutputColumn("IN FLIGHT", right=True),
    OutputColumn("ANSWERS/H", right=True),
    OutputColumn("LATENCY", right=True),
    OutputColumn("FAILURES/H", below=True),
)
#: The meaning of each state of health except ``well``.
MEANINGS = {
    Health.COOLING: "it refused requests, and is not asked until that time",
    Health.PROBING: "one request at a time finds out whether it answers",
    Health.TRICKLING: "it answers again, and is asked by a few more at a time",
    Health.TRIED_LAST: "it failed; the other providers of each chain are asked first",
}
TONES = {Health.COOLING: "bad", Health.WELL: "good"}


@command_for(providers)
@click.argument("reset", metavar="[reset NAME]", nargs=-1)
def command(session: Session, /, reset: tuple[str, ...]) -> int:
    out = session.out
    if reset:
        return _reset(session, reset)
    with session.desk() as desk:
        found = desk.call(providers)
    out.found(found, lambda: _print(out, found), "no provider is configured here, and none is known in this database")
    return Exit.DONE


def _print(out: Output, found: list[Provider]) -> None:
    out.table(COLUMNS, [_row(each) for each in found])
    for each in found:
        if each.message:
            out.line(f"{each.name}: {each.cause or 'failed'}: {each.message}")
    for health, meaning in MEANINGS.items():
        if any(each.health is health for each in found):
            out.line(f"{_health_name(health)}: {meaning}")


def _reset(session: Session, words: tuple[str, ...]) -> int:
    if len(words) != 2 or words[0] != "reset":
        fail("`lanes providers` shows them, `lanes providers reset NAME` ends the cooldown of one")
    with session.desk() as desk:
        done = desk.call(reset_provider, name=words[1])
    session.out.result(done, reset_provider.outcome(done).sentence)
    return Exit.DONE


def _row(provider: Provider) -> list[Cell | str]:
    most = provider.max_in_flight
    limited = most is not None and provider.health is not Health.COOLING
    failures = ", ".join(f"{count} {cause}" for cause, count in sorted(provider.failures.items()))
    return [
        provider.name,
        Cell(health_text(provider), TONES.get(provider.health, "warn")),
        f"{provider.in_flight} of {most}" if limited else str(provider.in_flight),
        str(provider.answers),
        took(provider.latency_ms) or "",
        failures,
    ]


def health_text(provider: Provider) -> str:
    """The health of a provider, in the words of the dashboard."""
    until = {Health.COOLING: provider.until, Health.TRIED_LAST: provider.tried_last_until}.get(provider.health)
    return f"{_health_name(provider.health)}{lasting(until)}"


def _health_name(health: Health) -> str:
    return str(health).replace("_", " ")
