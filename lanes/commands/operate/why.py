"""``lanes why KEY``: what blocks this lane."""

from lanes.commands.common.verbs import query_command
from lanes.verbs.queries import why

command = query_command(why, lambda out, result: out.paragraph(result.why))
