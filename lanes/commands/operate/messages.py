"""``lanes messages KEY``: the messages of a lane."""

from lanes.commands.common.verbs import query_command
from lanes.commands.output.tables import print_messages
from lanes.verbs.messages import messages

command = query_command(messages, print_messages, nothing="no such message")
