"""lanes: one agent run at a time per conversation, owned, clocked, fenced, visible, and always releasable.

    async with lanes.connect("sqlite:///lanes.db") as desk:
        async with lanes.Gateway(desk, runner):
            message = await desk.send("agent:main:telegram:42", "hello")

Everything below is imported when it is first used, so that a command such as ``lanes abort`` starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lanes.base.errors import (
        Changed,
        ConfigError,
        Draining,
        HoldEnded,
        IdempotencyConflict,
        InvalidKey,
        LaneBusy,
        LanesError,
        NotAllowed,
        NotFound,
        QueueFull,
        Refused,
        RunFailed,
        RunParked,
        Unfit,
        Unreadable,
        WaitCycle,
    )
    from lanes.base.sentences import Tried
    from lanes.desk import Desk, connect
    from lanes.engine.runs.hooks import Hooks, RunEnded
    from lanes.engine.runs.streams import Listener
    from lanes.gateway import Gateway
    from lanes.records import (
        AbortResult,
        Attempt,
        Check,
        Cooldown,
        Counts,
        Cut,
        Drain,
        Event,
        Failure,
        Finding,
        GlobActed,
        GlobPause,
        Hit,
        Lane,
        LaneDetail,
        LastError,
        Level,
        Message,
        MessageCounts,
        NextLimit,
        Outcome,
        Owner,
        OwnerDetail,
        Pause,
        Record,
        RequestedAbort,
        Run,
        Status,
    )
    from lanes.runners.base import Delta, Reply, RunContext, Runner, RunnerSpec, StopHow, Turn
    from lanes_storage.clock import Clock, Now
    from lanes_storage.errors import NotStorable, StorageError
    from lanes_storage.law import (
        BoundTo,
        Cause,
        Edge,
        LaneState,
        MessageState,
        Mode,
        OnInterrupt,
        OnSurvivors,
        Overflow,
        PauseKind,
        RunnerKind,
        Scope,
    )
    from lanes_storage.records import AttemptPhase, Comparison, Condition, How, LaneFilter, LaneOrder, LaneSort, Subject

#: Where each public name lives.
_HOMES = {
    "lanes.desk": (
        "Desk",
        "connect",
    ),
    "lanes.engine.runs.streams": ("Listener",),
    "lanes.base.errors": (
        "Changed",
        "ConfigError",
        "Draining",
        "HoldEnded",
        "IdempotencyConflict",
        "InvalidKey",
        "LaneBusy",
        "LanesError",
        "NotAllowed",
        "NotFound",
        "QueueFull",
        "Refused",
        "RunFailed",
        "RunParked",
        "Unfit",
        "Unreadable",
        "WaitCycle",
    ),
    "lanes.gateway": ("Gateway",),
    "lanes.engine.runs.hooks": (
        "Hooks",
        "RunEnded",
    ),
    "lanes.records": (
        "AbortResult",
        "Attempt",
        "Check",
        "Cooldown",
        "Counts",
        "Cut",
        "Drain",
        "Event",
        "Failure",
        "Finding",
        "GlobActed",
        "GlobPause",
        "Hit",
        "Lane",
        "LaneDetail",
        "LastError",
        "Level",
        "Message",
        "MessageCounts",
        "NextLimit",
        "Outcome",
        "Owner",
        "OwnerDetail",
        "Pause",
        "Record",
        "RequestedAbort",
        "Run",
        "Status",
    ),
    "lanes.runners.base": (
        "Delta",
        "Reply",
        "RunContext",
        "Runner",
        "RunnerSpec",
        "StopHow",
        "Turn",
    ),
    "lanes.base.sentences": ("Tried",),
    "lanes_storage.errors": (
        "NotStorable",
        "StorageError",
    ),
    "lanes_storage.law": (
        "BoundTo",
        "Cause",
        "Edge",
        "LaneState",
        "MessageState",
        "Mode",
        "OnInterrupt",
        "OnSurvivors",
        "Overflow",
        "PauseKind",
        "RunnerKind",
        "Scope",
    ),
    "lanes_storage.clock": (
        "Clock",
        "Now",
    ),
    "lanes_storage.records": (
        "AttemptPhase",
        "Comparison",
        "Condition",
        "How",
        "LaneFilter",
        "LaneOrder",
        "LaneSort",
        "Subject",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__version__ = "0.2.0"
__all__ = [
    "AbortResult",
    "Attempt",
    "AttemptPhase",
    "BoundTo",
    "Cause",
    "Changed",
    "Check",
    "Clock",
    "Comparison",
    "Condition",
    "ConfigError",
    "Cooldown",
    "Counts",
    "Cut",
    "Delta",
    "Desk",
    "Drain",
    "Draining",
    "Edge",
    "Event",
    "Failure",
    "Finding",
    "Gateway",
    "GlobActed",
    "GlobPause",
    "Hit",
    "HoldEnded",
    "Hooks",
    "How",
    "IdempotencyConflict",
    "InvalidKey",
    "Lane",
    "LaneBusy",
    "LaneDetail",
    "LaneFilter",
    "LaneOrder",
    "LaneSort",
    "LaneState",
    "LanesError",
    "LastError",
    "Level",
    "Listener",
    "Message",
    "MessageCounts",
    "MessageState",
    "Mode",
    "NextLimit",
    "NotAllowed",
    "NotFound",
    "NotStorable",
    "Now",
    "OnInterrupt",
    "OnSurvivors",
    "Outcome",
    "Overflow",
    "Owner",
    "OwnerDetail",
    "Pause",
    "PauseKind",
    "QueueFull",
    "Record",
    "Refused",
    "Reply",
    "RequestedAbort",
    "Run",
    "RunContext",
    "RunEnded",
    "RunFailed",
    "RunParked",
    "Runner",
    "RunnerKind",
    "RunnerSpec",
    "Scope",
    "Status",
    "StopHow",
    "StorageError",
    "Subject",
    "Tried",
    "Turn",
    "Unfit",
    "Unreadable",
    "WaitCycle",
    "connect",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'lanes' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
