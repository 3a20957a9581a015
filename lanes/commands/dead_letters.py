"""``lanes dead-letters``: the failed messages of every lane."""

import click

from lanes.commands.common.output import Output
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.tables import print_dead_letters
from lanes.commands.common.words import counted
from lanes.forms import Form

#: How many a terminal shows.
ON_A_TERMINAL = 50


@click.command(
    "dead-letters",
    epilog="""\b
    Examples:
      lanes dead-letters
      lanes dead-letters --json | jq -r '.[] | select(.retried_as == null).id'
    """,
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many. [default: 50 on a terminal]")
@pass_session
def command(session: Session, limit: int | None) -> None:
    """The failed messages of every lane, the newest first.

    `lanes retry ID` accepts one once more.
    """
    out = session.out
    if limit is None and out.tty and not out.json:
        limit = ON_A_TERMINAL
    with session.desk() as desk:
        _list(out, desk.dead_letters(limit=None if limit is None else limit + 1), limit)


def _list(out: Output, found: list[Form], limit: int | None) -> None:
    shown = found[:limit]
    if out.json:
        out.data(shown)
    elif not shown:
        out.talk("no dead letter")
    else:
        print_dead_letters(out, shown)
        if len(found) > len(shown):
            out.talk(f"the newest {counted(len(shown), 'dead letter')}; --limit shows more")
