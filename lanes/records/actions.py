"""Records of actions, done or planned."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from lanes.records.lanes import Owner, Pause
from lanes.records.liveness import Liveness
from lanes.records.record import Record
from lanes.text import ages
from lanes_storage import records as rows
from lanes_storage.law import MessageState

if TYPE_CHECKING:
    from lanes.records.kinds import UNUSUAL, ByState, Count, Id, Key, Seconds, Waited


class Outcome(StrEnum):
    """The outcome of an abort."""

    RELEASED = "released"  # the owner stopped the run and confirmed it
    FORCED = "forced"  # the owner did not, within the grace: the epoch was superseded
    REPAIRED = "repaired"  # there was no live run: the owner was dead, or disowned it
    NOT_HELD = "not_held"  # nothing to abort
    CHANGED = "changed"  # the lane had moved on to another run, which was not aborted
    CLEARED = "cleared"  # no run, but waiting messages were ended, or a head that had run before
    PENDING = "pending"  # requested, not yet confirmed
    INEFFECTIVE = "ineffective"  # of another program: its gateway did not end the run
    UNREACHABLE = "unreachable"  # of another program: its gateway, or its watcher, does not answer


#: The outcomes after which the lane is free because of this abort.
FREED = frozenset({Outcome.RELEASED, Outcome.FORCED, Outcome.REPAIRED, Outcome.CLEARED})


class WatchedStep(Record):
    """One step that was taken to free a session of another program."""

    step: str
    claimed: Annotated[bool, "its gateway says that it ended the run"]
    said: Annotated[str, "what it answered"]
    proof: Annotated[str | None, "what proves that the run is over; null: nothing does"]
    took_ms: Seconds


class AbortResult(Record):
    """The proven outcome of one abort.

    ``epoch_after`` differs from ``epoch_before`` where the release was not confirmed by the owner.
    """

    key: Key
    outcome: Annotated[Outcome, "proven by reading the row again; see [operations](operations.md#free-one-lane)"]
    epoch_before: Count
    epoch_after: Count
    run_id: Id | None = None
    waited_s: Waited = 0.0
    dropped: Annotated[Count, "waiting messages that it ended"] = 0
    survivors: Annotated[tuple[str, ...] | None, "processes of the run: []: proven none, null: unknown"] = ()
    steps: Annotated[tuple[WatchedStep, ...], UNUSUAL, "of another program: what was tried, and what is proven"] = ()
    freeing: Annotated[Id | None, UNUSUAL, "of another program: the request, to wait for with"] = None


class Counted(Record):
    """How many messages a filter chooses."""

    messages: Annotated[Count, "messages for which it is allowed"]


class GlobActed(Record):
    """The result of pausing or resuming all lanes, or those whose key fits a glob."""

    match: Annotated[str, "the glob; `*`: all lanes"]
    paused: Annotated[Pause | None, "why and until when; null: the glob is not paused"]
    done: Annotated[bool, "false: there was no such pause to end"]
    lanes: Annotated[Count, "lanes that fit and are paused now, by whatever pause"]


class Pruned(Record):
    """The result of a prune of dead letters."""

    pruned: Annotated[Count, "how many were deleted"]


class Tally(Record):
    """Counts of the lanes and messages that an action would affect."""

    lanes: Annotated[ByState, "how many of them, by state"]
    runs: Annotated[Count, "held ones: an abort ends what they run"]
    reruns: Annotated[Count, "waiting messages of released ones that ran before: an abort of the run ends these too"]
    waiting: Annotated[Count, "messages that wait, those included"]
    paused: Count


class Cut(Record):
    """A run that a drain would cut."""

    key: Key
    run_id: Id
    message_id: Id
    owner: Id
    held_ms: Seconds
    message_state: Annotated[MessageState, "the next state of its message"]
    pauses: Annotated[bool, "the lane would be paused for a person"]

    @classmethod
    def of(cls, run: rows.RunRow, liveness: Liveness, *, message_state: MessageState, pauses: bool) -> Cut:
        """The record of a run, with the next states of its message and its lane."""
        held = ages.held_ms(run, liveness.now)
        return Cut(run.key, run.id, run.message_id, run.owner_id, held, message_state, pauses)


class Finding(Record):
    """One decision of the reconciler."""

    key: Annotated[Key | None, "null: it is about the owner only"]
    run_id: Id | None
    owner: Owner | None
    decision: str
    evidence: str
    done: Annotated[bool, "whether it was carried out"]

    @classmethod
    def of(
        cls,
        run: rows.RunRow | None,
        owner: rows.OwnerRow | None,
        decision: str,
        evidence: str,
        liveness: Liveness,
        *,
        done: bool,
    ) -> Finding:
        """A decision about a run or an owner, and whether it was carried out."""
        return Finding(
            key=None if run is None else run.key,
            run_id=None if run is None else run.id,
            owner=None if owner is None else Owner.of(owner, liveness),
            decision=decision,
            evidence=evidence,
            done=done,
        )
