"""``lanes drop ID``: end a message that waits."""

from lanes.commands.common.verbs import command_on_messages
from lanes.verbs.messages import drop
from lanes.verbs.outcomes import dropped

command = command_on_messages(
    drop,
    about="""End a message that waits, unanswered. The journal keeps what it was.

    With --filter, every waiting message that fits, the oldest first.

    Exit code 1 for what does not wait.
    """,
    told=lambda message: dropped(message).sentence,
    nothing="no waiting message fits",
)
