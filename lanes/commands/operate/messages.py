"""``lanes messages KEY``: the messages of a lane."""

from typing import Any

import click

from lanes.commands.common.options import key_argument
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.verbs import options_of
from lanes.commands.output.tables import print_messages
from lanes.verbs.messages import messages

#: How many messages a terminal shows.
ON_A_TERMINAL = 50


@click.command(
    "messages",
    help=messages.doc,
    epilog="""\b
    Examples:
      lanes messages agent:main:telegram:42
      lanes messages agent:main:telegram:42 --state failed --json
    """,
)
@key_argument
@options_of(messages)
@pass_session
def command(session: Session, /, key: str, limit: int | None, **given: Any) -> None:
    out = session.out
    if limit is None and out.tty and not out.json:
        limit = ON_A_TERMINAL
    with session.desk() as desk:
        found = desk.call(messages, key=key, limit=limit, **given)
    if out.json:
        out.data(found)
    elif found:
        print_messages(out, found)
    else:
        out.talk("no such message")
