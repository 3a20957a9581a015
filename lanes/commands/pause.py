"""``lanes pause KEY…``: let lanes claim nothing."""

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.each import chosen_keys, do_each
from lanes.commands.common.options import DURATION, keys_argument, match_option, reason_option
from lanes.commands.common.session import Session, pass_session
from lanes.commands.common.words import clock_time
from lanes.forms import Form


@click.command(
    "pause",
    epilog="""\b
    Examples:
      lanes pause agent:main:telegram:42 --for 10m --reason "provider in repair"
      lanes pause --match 'agent:*:feishu:*'
    """,
)
@keys_argument
@match_option
@click.option("--for", "for_ms", type=DURATION, metavar="D", help="How long, such as 10m. [default: until resumed]")
@reason_option
@click.pass_context
@pass_session
def command(
    session: Session,
    ctx: click.Context,
    keys: tuple[str, ...],
    match: str | None,
    for_ms: int | None,
    reason: str | None,
) -> int:
    """Let lanes claim nothing. What runs goes on, what waits is kept."""
    with session.desk() as desk:
        chosen = chosen_keys(ctx, desk, keys, match)
        return do_each(
            session.out, chosen, lambda key: desk.pause(key, actor=actor(), reason=reason, for_ms=for_ms), _said
        )


def _said(lane: Form) -> str:
    paused = lane["paused"] or {"until": None}
    return f"{lane['key']}: paused {'until ' + clock_time(paused['until']) if paused['until'] else 'until resumed'}"
