"""The filter language: ``state:errored,running held:>5m feishu -cron``.

A filter is a list of words, all of which have to match. A bare word is a part of the key, or a glob for the key; a
word in quotes is taken literally, and a quote in it is doubled. ``-`` or ``!`` before a word negates it. ``FIELDS``
describes the fields.

A filter with an error chooses nothing, and explains the error.
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
    understood,
    written,
)
