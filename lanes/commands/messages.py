"""``lanes messages KEY``: the messages of a lane."""

import click

from lanes.commands.common.options import key_argument, message_filter_option
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.tables import print_messages
from lanes.operations.messages import EVERY
from lanes_storage.law import MessageState
from lanes_storage.records import LaneFilter

#: How many messages a terminal shows.
ON_A_TERMINAL = 50


@click.command(
    "messages",
    epilog="""\b
    Examples:
      lanes messages agent:main:telegram:42
      lanes messages agent:main:telegram:42 --state failed --json
    """,
)
@key_argument
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([s.value for s in MessageState]),
    help="Messages in this state; may be repeated.",
)
@message_filter_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many. [default: 50 on a terminal]")
@pass_session
def command(session: Session, key: str, states: tuple[str, ...], chosen: LaneFilter | None, limit: int | None) -> None:
    """The messages of a lane, the newest first."""
    out = session.out
    if limit is None and out.tty and not out.json:
        limit = ON_A_TERMINAL
    with session.desk() as desk:
        found = desk.messages(key, states=states, limit=limit, chosen=chosen or EVERY)
    if out.json:
        out.data(found)
    elif found:
        print_messages(out, found)
    else:
        out.talk("no such message")
