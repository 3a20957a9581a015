"""``lanes why KEY``: what blocks this lane."""

import click

from lanes.commands.common.options import key_argument
from lanes.commands.common.session import Session, pass_session
from lanes.verbs.queries import why


@click.command("why", help=why.doc, epilog="Example: lanes why agent:main:telegram:42")
@key_argument
@pass_session
def command(session: Session, key: str) -> None:
    with session.desk() as desk:
        said = desk.call(why, key=key)
    if session.out.json:
        session.out.data(said)
    else:
        session.out.paragraph(said.why)
