"""The filter language: ``state:errored,running held:>5m feishu -cron``.

A filter is a list of words, all of which have to match. A bare word is a part of the key, or a glob for the key; a
word in quotes is taken literally, and a quote in it is doubled. ``-`` or ``!`` before a word negates it. ``FIELDS``
describes the fields.

A filter with an error chooses nothing, and explains the error.
"""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes.filters.fields import *
    from lanes.filters.meaning import *
    from lanes.filters.narrowing import *
    from lanes.filters.reading import *

__getattr__ = lazily(
    __name__,
    {
        ".fields": "ALIASES FIELDS Field FieldKind",
        ".meaning": "Facts fits has of_event",
        ".narrowing": "narrowed",
        ".reading": "MOST_CHARACTERS MOST_WORDS NOTHING Parsed chosen mistyped parse typed understood written",
    },
)
