"""The filter language, as people type it: ``state:errored,running held:>5m feishu -cron``.

Words stand side by side, and what is chosen has to fulfil them all. A bare word is a part of the key, or a glob that
the key fits; a word in quotes is taken as it is, and a quote in it is written twice. ``-`` or ``!`` before a word
leaves out what fulfils it. What the fields mean is said in ``FIELDS``.

A filter that is not understood chooses nothing, and says why.
"""

from lanes.filters.fields import ALIASES, FIELDS, Field, FieldKind
from lanes.filters.meaning import Facts, fits, has, of_event, of_lane, of_message
from lanes.filters.reading import (
    MOST_CHARACTERS,
    MOST_WORDS,
    NOTHING,
    Parsed,
    chosen,
    mistyped,
    narrowed,
    parse,
    quoted,
    typed,
    written,
)

__all__ = [
    "ALIASES",
    "FIELDS",
    "MOST_CHARACTERS",
    "MOST_WORDS",
    "NOTHING",
    "Facts",
    "Field",
    "FieldKind",
    "Parsed",
    "chosen",
    "fits",
    "has",
    "mistyped",
    "narrowed",
    "of_event",
    "of_lane",
    "of_message",
    "parse",
    "quoted",
    "typed",
    "written",
]
