"""lanes: one agent run at a time per conversation, owned, clocked, fenced, visible, and always releasable.

    async with lanes.connect("sqlite:///lanes.db") as desk:
        async with lanes.Gateway(desk, runner):
            message = await desk.send("agent:main:telegram:42", "hello")

Everything below is imported when it is first used, so that a command such as ``lanes abort`` starts fast.
"""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes.base.errors import (
        Changed as Changed,
        ConfigError as ConfigError,
        Draining as Draining,
        HoldEnded as HoldEnded,
        IdempotencyConflict as IdempotencyConflict,
        InvalidKey as InvalidKey,
        LaneBusy as LaneBusy,
        LanesError as LanesError,
        NoAnswer as NoAnswer,
        NotAllowed as NotAllowed,
        NotFound as NotFound,
        QueueFull as QueueFull,
        Refused as Refused,
        RunFailed as RunFailed,
        RunParked as RunParked,
        Unfit as Unfit,
        Unreadable as Unreadable,
        WaitCycle as WaitCycle,
    )
    from lanes.base.sentences import Tried as Tried
    from lanes.desk import Desk as Desk, connect as connect
    from lanes.engine.runs.hooks import Hooks as Hooks, RunEnded as RunEnded
    from lanes.engine.runs.streams import Listener as Listener
    from lanes.gateway import Gateway as Gateway
    from lanes.records import (
        AbortResult as AbortResult,
        AskedQuestion as AskedQuestion,
        Attempt as Attempt,
        Check as Check,
        Conversation as Conversation,
        ConversationExport as ConversationExport,
        ConversationSpan as ConversationSpan,
        ConversationTurn as ConversationTurn,
        Cooldown as Cooldown,
        Counts as Counts,
        Cut as Cut,
        Drain as Drain,
        Event as Event,
        Failure as Failure,
        Finding as Finding,
        GlobActed as GlobActed,
        GlobPause as GlobPause,
        Health as Health,
        Hit as Hit,
        Lane as Lane,
        LaneDetail as LaneDetail,
        LastError as LastError,
        Level as Level,
        Message as Message,
        MessageCounts as MessageCounts,
        NextLimit as NextLimit,
        Outcome as Outcome,
        Owner as Owner,
        OwnerDetail as OwnerDetail,
        Pause as Pause,
        Provider as Provider,
        ProviderResetDone as ProviderResetDone,
        Record as Record,
        RequestedAbort as RequestedAbort,
        Run as Run,
        RunProcess as RunProcess,
        SourceDetail as SourceDetail,
        Status as Status,
        Used as Used,
        WatchedLane as WatchedLane,
        WatchedStep as WatchedStep,
    )
    from lanes.runners.base import (
        Delta as Delta,
        Inbox as Inbox,
        Reply as Reply,
        RunContext as RunContext,
        Runner as Runner,
        RunnerSpec as RunnerSpec,
        StopHow as StopHow,
        Turn as Turn,
    )
    from lanes.runners.python import ThreadRunner as ThreadRunner
    from lanes_storage.clock import Clock as Clock, Now as Now
    from lanes_storage.errors import NotStorable as NotStorable, StorageError as StorageError
    from lanes_storage.law import (
        BoundTo as BoundTo,
        Cause as Cause,
        Edge as Edge,
        LaneState as LaneState,
        MessageState as MessageState,
        Mode as Mode,
        OnInterrupt as OnInterrupt,
        OnSurvivors as OnSurvivors,
        Overflow as Overflow,
        PauseKind as PauseKind,
        RunnerKind as RunnerKind,
        Scope as Scope,
        SourceState as SourceState,
        TurnState as TurnState,
        WatchedState as WatchedState,
    )
    from lanes_storage.records import (
        AttemptPhase as AttemptPhase,
        Comparison as Comparison,
        Condition as Condition,
        HandedText as HandedText,
        How as How,
        LaneFilter as LaneFilter,
        LaneOrder as LaneOrder,
        LaneSort as LaneSort,
        Subject as Subject,
    )

#: The module that defines each public name.
_HOMES = {
    "lanes.desk": "Desk connect",
    "lanes.engine.runs.streams": "Listener",
    "lanes.base.errors": (
        "Changed ConfigError Draining HoldEnded IdempotencyConflict InvalidKey LaneBusy LanesError NoAnswer "
        "NotAllowed NotFound QueueFull Refused RunFailed RunParked Unfit Unreadable WaitCycle"
    ),
    "lanes.gateway": "Gateway",
    "lanes.engine.runs.hooks": "Hooks RunEnded",
    "lanes.records": (
        "AbortResult AskedQuestion Attempt Check Conversation ConversationExport ConversationSpan "
        "ConversationTurn Cooldown Counts Cut Drain Event Failure Finding GlobActed GlobPause Health Hit Lane "
        "LaneDetail LastError Level Message MessageCounts NextLimit Outcome Owner OwnerDetail Pause Provider "
        "ProviderResetDone Record RequestedAbort Run RunProcess SourceDetail Status Used WatchedLane "
        "WatchedStep"
    ),
    "lanes.runners.base": "Delta Inbox Reply RunContext Runner RunnerSpec StopHow Turn",
    "lanes.runners.python": "ThreadRunner",
    "lanes.base.sentences": "Tried",
    "lanes_storage.errors": "NotStorable StorageError",
    "lanes_storage.law": (
        "BoundTo Cause Edge LaneState MessageState Mode OnInterrupt OnSurvivors Overflow PauseKind RunnerKind "
        "Scope SourceState TurnState WatchedState"
    ),
    "lanes_storage.clock": "Clock Now",
    "lanes_storage.records": "AttemptPhase Comparison Condition HandedText How LaneFilter LaneOrder LaneSort Subject",
}

__version__ = "0.2.0"
__all__ = sorted(" ".join(_HOMES.values()).split())
__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
