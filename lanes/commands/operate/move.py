"""``lanes move ID --front``: let a waiting message start before the others of its lane."""

import click

from lanes.commands.common.exits import Exit, fail
from lanes.commands.common.options import ID
from lanes.commands.common.session import Session
from lanes.commands.common.verbs import command_for
from lanes.verbs.messages import move


@command_for(move)
@click.argument("message_id", metavar="ID", type=ID)
def command(session: Session, /, message_id: int, front: bool) -> int:
    if not front:
        fail("say where to: --front")
    with session.desk() as desk:
        moved = desk.call(move, id=message_id, front=True)
    session.out.result(moved, move.outcome(moved).sentence)
    return Exit.DONE
