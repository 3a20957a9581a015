"""``lanes ack KEY…``: errored or aborted back to idle."""

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.each import chosen_keys, do_each
from lanes.commands.common.options import keys_argument
from lanes.commands.common.session import Session, pass_session


@click.command("ack", epilog="Example: lanes ack agent:main:telegram:42")
@keys_argument
@click.pass_context
@pass_session
def command(session: Session, ctx: click.Context, keys: tuple[str, ...]) -> int:
    """ "Seen": errored or aborted lanes back to idle. Changes nothing else."""
    with session.desk() as desk:
        chosen = chosen_keys(ctx, desk, keys, None)
        return do_each(
            session.out,
            chosen,
            lambda key: desk.ack(key, actor=actor()),
            lambda lane: f"{lane['key']}: {lane['state']}",
        )
