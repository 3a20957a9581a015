"""``lanes why KEY``: what blocks this lane."""

import click

from lanes.commands.common.options import key_argument
from lanes.commands.common.session import Session, pass_session


@click.command("why", epilog="Example: lanes why agent:main:telegram:42")
@key_argument
@pass_session
def command(session: Session, key: str) -> None:
    """Say why a lane does not move.

    One plain paragraph: what blocks it, the evidence, the next automatic action and when that comes.
    """
    with session.desk() as desk:
        said = desk.why(key)
    if session.out.json:
        session.out.data({"key": key, "why": said})
    else:
        session.out.paragraph(said)
