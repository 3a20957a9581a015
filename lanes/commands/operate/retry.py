"""``lanes retry ID``: accept a dead letter once more."""

from lanes.commands.common.verbs import command_on_messages
from lanes.verbs.messages import retry

command = command_on_messages(
    retry,
    about="""Accept a failed message once more.

    It becomes a new message at the tail of its lane; prints the new id. With --filter, every dead letter that fits and
    was not retried yet, the oldest first; a message that a limit ended (expired, over_budget) only where the filter
    names that cause.

    Exit code 1 for what is not failed, or was retried before.
    """,
    told=lambda message: str(message.id),
    nothing="no dead letter fits",
)
