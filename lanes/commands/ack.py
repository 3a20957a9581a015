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
    """Say that errored or aborted lanes were seen.

    They go back to idle, and nothing else changes. A running lane is for `lanes abort`.
    """
    with session.desk() as desk:
        chosen = chosen_keys(ctx, desk, keys, None)
        return do_each(
            session.out,
            chosen,
            lambda key: desk.ack(key, actor=actor()),
            lambda lane: f"{lane['key']}: {lane['state']}",
        )
