"""The records that storage takes and returns: plain and frozen.

Times are whole milliseconds: ``…_at`` is wall time (Unix), ``…_boot`` the boot clock of the process that wrote the
value, ``…_ms`` a duration. Ids are integers that the database assigns; they increase with time.
"""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes_storage.records.arguments import *
    from lanes_storage.records.claims import *
    from lanes_storage.records.filters import *
    from lanes_storage.records.lanes import *
    from lanes_storage.records.providers import *
    from lanes_storage.records.runs import *
    from lanes_storage.records.stored import *
    from lanes_storage.records.watched import *

__getattr__ = lazily(
    __name__,
    {
        ".claims": "Claimed Head News Old OwnerOrders Release WaitingHead WaitingLane",
        ".filters": "Comparison Condition How LaneFilter Subject",
        ".arguments": (
            "OUTLINE Admission Beat BudgetTerms HandedText Idempotency NewMessage NewOwner NewQuestion RetryTerms "
            "SeenIncident Spent Waiter is_outline"
        ),
        ".lanes": (
            "LaneCounts LaneGroupRow LaneOrder LaneRow LaneSort LaneTally LastErrorRow PauseRow Repeated SortPlace"
        ),
        ".providers": "Health PlacesTaken ProviderCounts ProviderRefusal ProviderReset ProviderRow",
        ".runs": (
            "AttemptPhase FreeHead OwnerRow ProcessIdentity ProviderAttempt RunFailure RunQuestion RunResult RunRow "
            "RunUsage Terms Ticket WaitingMessage"
        ),
        ".stored": (
            "ClockNote ConversationRow ConversationState CooldownRow DueIncident EventRow LetterTallyRow MessageRow "
            "OwnerLoad SilentRun TurnRow UnprovenRun Wait"
        ),
        ".watched": "Freeing FreeingRow Sighting SightingRow SourceRow",
    },
)
