"""``lanes resume KEY…``: let paused lanes claim again."""

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.each import chosen_keys, do_each
from lanes.commands.common.options import keys_argument, match_option
from lanes.commands.common.session import Session, pass_session
from lanes.forms import Form


@click.command("resume", epilog="Example: lanes resume agent:main:telegram:42")
@keys_argument
@match_option
@click.pass_context
@pass_session
def command(session: Session, ctx: click.Context, keys: tuple[str, ...], match: str | None) -> int:
    """Let paused lanes claim again. Harmless on a lane that is not paused."""
    with session.desk() as desk:
        chosen = chosen_keys(ctx, desk, keys, match)
        paused: set[str] = set()

        def resume(key: str) -> Form:
            if desk.lane(key)["paused"]:
                paused.add(key)
            return desk.resume(key, actor=actor())

        return do_each(session.out, chosen, resume, lambda lane: _said(lane, was_paused=lane["key"] in paused))


def _said(lane: Form, *, was_paused: bool) -> str:
    if lane["paused"]:  # as every lane of some pattern is
        return f"{lane['key']}: still paused ({lane['paused']['reason']})"
    return f"{lane['key']}: {'resumed' if was_paused else 'not paused'}"
