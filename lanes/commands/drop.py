"""``lanes drop ID``: end a message that waits."""

import click

from lanes.commands.common.each import chosen_messages, do_each
from lanes.commands.common.exits import Exit
from lanes.commands.common.options import ID, message_filter_option
from lanes.commands.common.session import Session, pass_session
from lanes.verbs.messages import drop
from lanes.verbs.said import Action, dropped
from lanes_storage.records import LaneFilter


@click.command(
    "drop",
    epilog="""\b
    Examples:
      lanes drop 4711
      lanes drop --filter 'cron wait:>1h'
    """,
)
@click.argument("message_id", metavar="[ID]", type=ID, required=False)
@message_filter_option
@click.option("--yes", is_flag=True, help="Do not ask; needed for more than one message without a terminal.")
@click.pass_context
@pass_session
def command(session: Session, ctx: click.Context, message_id: int | None, chosen: LaneFilter | None, yes: bool) -> int:
    """End a message that waits, unanswered. The journal keeps what it was.

    With --filter, every waiting message that fits, the oldest first.

    Exit code 1 for what does not wait.
    """
    with session.desk() as desk:
        if chosen is None and message_id is not None and session.out.json:
            session.out.data(desk.call(drop, id=message_id))
            return Exit.DONE
        numbers = chosen_messages(ctx, session.out, message_id, chosen, desk, Action.DROP, yes=yes)
        if numbers is None:
            return Exit.FAILED
        return do_each(
            session.out,
            numbers,
            lambda number: desk.call(drop, id=number),
            lambda message: dropped(message).sentence,
            nothing="no waiting message fits",
        )
