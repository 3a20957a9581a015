"""Verbs that act on lanes: abort, pause, resume, ack."""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes.verbs.control.aborting import *
    from lanes.verbs.control.pausing import *

__getattr__ = lazily(
    __name__,
    {".aborting": "abort", ".pausing": "EVERY_KEY ack acted pause pause_all resume resume_all"},
)
