"""``lanes resume KEY…``: let paused lanes claim again."""

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.each import chosen_keys, do_each
from lanes.commands.common.options import keys_argument, match_option
from lanes.commands.common.session import Session, pass_session


@click.command("resume", epilog="Example: lanes resume agent:main:telegram:42")
@keys_argument
@match_option
@click.pass_context
@pass_session
def command(session: Session, ctx: click.Context, keys: tuple[str, ...], match: str | None) -> int:
    """Let paused lanes claim again. Harmless on a lane that is not paused."""
    with session.desk() as desk:
        chosen = chosen_keys(ctx, desk, keys, match)
        return do_each(
            session.out, chosen, lambda key: desk.resume(key, actor=actor()), lambda lane: f"{lane['key']}: not paused"
        )
