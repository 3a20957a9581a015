"""The public records: one class for each form, the same for ``--json``, HTTP, the dashboard and Python.

A row of the database (``lanes_storage.records``) becomes a record by the ``of`` of its class. Ages, and whether owners
live, come from a ``Liveness``.
"""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes.records.actions import *
    from lanes.records.forms import *
    from lanes.records.lanes import *
    from lanes.records.liveness import *
    from lanes.records.messages import *
    from lanes.records.record import *
    from lanes.records.system import *

__getattr__ = lazily(
    __name__,
    {
        ".actions": ("FREED AbortResult Counted Cut Finding GlobActed Outcome Pruned Tally WatchedStep"),
        ".forms": "FORMS placed schema schemas",
        ".lanes": (
            "HERE Acted AskedQuestion Found Hit Lane LaneGroup LanePage LastError Mark NextLimit Owner "
            "Pause RequestedAbort Run RunProcess SearchPage Silence Silences Used WatchedLane Why"
        ),
        ".liveness": "Liveness",
        ".messages": (
            "Attempt Conversation ConversationExport ConversationSpan ConversationTurn Event Failure LaneDetail "
            "LetterPage LetterTally Message"
        ),
        ".record": "Record ids_from_json jsonable",
        ".system": (
            "Check Cooldown Counts Drain GlobPause Health Level MessageCounts OwnerDetail OwnerHealth Provider "
            "ProviderResetDone SettingValue SourceDetail Status"
        ),
    },
)
