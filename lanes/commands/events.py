"""``lanes events [KEY]``: the journal."""

import click

from lanes.commands.common.options import DURATION, KEY
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.tables import print_events
from lanes_storage.law import EventType

#: How many events a terminal shows.
ON_A_TERMINAL = 50


@click.command(
    "events",
    epilog="""\b
    Examples:
      lanes events agent:main:telegram:42 --since 1h
      lanes events --type abort --json
    """,
)
@click.argument("key", type=KEY, required=False)
@click.option("--since", type=DURATION, metavar="D", help="Events of the last so long, such as 1h.")
@click.option(
    "--type", "type_", metavar="T", type=click.Choice([t.value for t in EventType]), help="Events of this type."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The last so many. [default: 50 on a terminal]")
@pass_session
def command(session: Session, key: str | None, since: int | None, type_: str | None, limit: int | None) -> None:
    """The journal: what changed, by whom, and why.

    The oldest comes first.
    """
    out = session.out
    if limit is None and out.tty and not out.json:
        limit = ON_A_TERMINAL
    with session.desk() as desk:
        found = list(desk.events(key=key, since_ms=since, type_=type_, limit=limit))
    if out.json:
        out.data(found)
    elif found:
        print_events(out, found, with_key=key is None)
    else:
        out.talk("no such event")
