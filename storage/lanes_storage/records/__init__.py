"""The records that storage takes and returns: plain and frozen.

Times are whole milliseconds: ``…_at`` is wall time (Unix), ``…_boot`` the boot clock of the process that wrote it,
``…_ms`` a duration. Ids are integers that the database assigns; they increase with time.
"""

from lanes_storage.records.claims import (
    Claimed,
    Head,
    News,
    Old,
    OwnerOrders,
    Release,
    WaitingHead,
    WaitingLane,
    WaitingMessage,
)
from lanes_storage.records.filters import Comparison, Condition, How, LaneFilter, Subject
from lanes_storage.records.given import (
    OUTLINE,
    Admission,
    AttemptPhase,
    Beat,
    BudgetTerms,
    Idempotency,
    NewMessage,
    NewOwner,
    ProcessIdentity,
    ProviderAttempt,
    RetryTerms,
    RunFailure,
    RunResult,
    RunUsage,
    Spent,
    Terms,
    Ticket,
    Waiter,
    is_outline,
)
from lanes_storage.records.incidents import DueIncident, SeenIncident
from lanes_storage.records.providers import ProviderCounts, ProviderRefusal, ProviderReset, ProviderRow
from lanes_storage.records.questions import HandedText, NewQuestion, RunQuestion
from lanes_storage.records.shown import (
    LaneCounts,
    LaneGroupRow,
    LaneOrder,
    LaneRow,
    LaneSort,
    LaneTally,
    LetterTallyRow,
    OwnerLoad,
    SilentRun,
)
from lanes_storage.records.stored import (
    ClockNote,
    ConversationRow,
    ConversationState,
    CooldownRow,
    EventRow,
    LastErrorRow,
    MessageRow,
    OwnerRow,
    PauseRow,
    Repeated,
    RunRow,
    TurnRow,
    UnprovenRun,
    Wait,
)
from lanes_storage.records.watched import Freeing, FreeingRow, Sighting, SightingRow, SourceRow
