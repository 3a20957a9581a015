"""Verbs that read lanes: lists, searches, one lane, and why it does not progress."""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes.verbs.queries.listing import *
    from lanes.verbs.queries.looking import *
    from lanes.verbs.queries.searching import *

__getattr__ = lazily(
    __name__,
    {
        ".listing": "ALL BY_ATTENTION MOST_KEYS MOST_SILENT lanes_of list_ total_of",
        ".looking": "SHOWN_CHARACTERS SHOWN_EVENTS SHOWN_MESSAGES lane_of show why",
        ".searching": "MOST_PARTS find groups marks search silent tally",
    },
)
