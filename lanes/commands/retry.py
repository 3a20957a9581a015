"""``lanes retry ID``: accept a dead letter once more."""

import click

from lanes.commands.common.options import ID
from lanes.commands.common.session import Session, pass_session


@click.command("retry", epilog="Example: lanes retry 4711")
@click.argument("message_id", metavar="ID", type=ID)
@pass_session
def command(session: Session, message_id: int) -> None:
    """Accept a failed message once more.

    It becomes a new message at the tail of its lane; prints the new id.

    Exit code 1 for what is not failed, or was retried before.
    """
    with session.desk() as desk:
        message = desk.retry(message_id)
    if session.out.json:
        session.out.data(message)
    else:
        session.out.line(message["id"])
