"""``lanes drop ID``: end a message that waits."""

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.options import ID
from lanes.commands.common.session import Session, pass_session


@click.command("drop", epilog="Example: lanes drop 4711")
@click.argument("message_id", metavar="ID", type=ID)
@pass_session
def command(session: Session, message_id: int) -> None:
    """End a message that waits, unanswered. The journal keeps what it was.

    Exit code 1 for what does not wait.
    """
    with session.desk() as desk:
        message = desk.drop(message_id, actor=actor())
    if session.out.json:
        session.out.data(message)
    else:
        session.out.line(f"message {message['id']} of {message['key']}: {message['state']}")
