"""``lanes retry ID``: accept a dead letter once more."""

import click

from lanes.commands.common.each import chosen_messages, do_each
from lanes.commands.common.exits import Exit
from lanes.commands.common.options import ID, message_filter_option
from lanes.commands.common.session import Session, pass_session
from lanes.verbs.messages import retry
from lanes.verbs.said import Action
from lanes_storage.records import LaneFilter


@click.command(
    "retry",
    epilog="""\b
    Examples:
      lanes retry 4711
      lanes retry --filter 'cause:provider_failed since:1h'
    """,
)
@click.argument("message_id", metavar="[ID]", type=ID, required=False)
@message_filter_option
@click.option("--yes", is_flag=True, help="Do not ask; needed for more than one message without a terminal.")
@click.pass_context
@pass_session
def command(session: Session, ctx: click.Context, message_id: int | None, chosen: LaneFilter | None, yes: bool) -> int:
    """Accept a failed message once more.

    It becomes a new message at the tail of its lane; prints the new id. With --filter, every dead letter that fits and
    was not retried yet, the oldest first; what a limit of its own ended (expired, over_budget) only where the filter
    names that cause.

    Exit code 1 for what is not failed, or was retried before.
    """
    with session.desk() as desk:
        if chosen is None and message_id is not None and session.out.json:
            session.out.data(desk.call(retry, id=message_id))
            return Exit.DONE
        numbers = chosen_messages(ctx, session.out, message_id, chosen, desk, Action.RETRY, yes=yes)
        if numbers is None:
            return Exit.FAILED
        return do_each(
            session.out,
            numbers,
            lambda number: desk.call(retry, id=number),
            lambda message: str(message.id),
            nothing="no dead letter fits",
        )
