"""The doors: every change of state goes through one of these functions, in one transaction with its event.

A door that finds its guard lost changes nothing and says so in its value; it never raises for that.
"""

from lanes_storage.doors.aborts import AbortRequest, cut_waiting, end_bound, request_abort
from lanes_storage.doors.claims import candidates, candidates_among, claim, collectable, postpone, suspects_running
from lanes_storage.doors.control import ack, drop, retry
from lanes_storage.doors.cooldowns import cool, cooling, note_provider, warm
from lanes_storage.doors.intake import Accepted, Refusal, accept
from lanes_storage.doors.owners import drain, end_owner, heartbeat, note_progress, register, standing_runs, touch
from lanes_storage.doors.pauses import Control, end_pause, pause, pause_matching, resume, resume_matching
from lanes_storage.doors.releases import (
    Evidence,
    abort,
    attach_process,
    complete,
    expire,
    fail,
    interrupt,
    park,
    reclaim,
)
from lanes_storage.doors.restoring import restored
from lanes_storage.doors.retention import note_pruned, prune, prune_idempotency
from lanes_storage.doors.shared.journal import record
from lanes_storage.doors.shared.warnings import warn_held, warn_wait
from lanes_storage.doors.waits import WaitCircle, begin_wait, closes_cycle, end_wait

__all__ = [
    "AbortRequest",
    "Accepted",
    "Control",
    "Evidence",
    "Refusal",
    "WaitCircle",
    "abort",
    "accept",
    "ack",
    "attach_process",
    "begin_wait",
    "candidates",
    "candidates_among",
    "claim",
    "closes_cycle",
    "collectable",
    "complete",
    "cool",
    "cooling",
    "cut_waiting",
    "drain",
    "drop",
    "end_bound",
    "end_owner",
    "end_pause",
    "end_wait",
    "expire",
    "fail",
    "heartbeat",
    "interrupt",
    "note_progress",
    "note_provider",
    "note_pruned",
    "park",
    "pause",
    "pause_matching",
    "postpone",
    "prune",
    "prune_idempotency",
    "reclaim",
    "record",
    "register",
    "request_abort",
    "restored",
    "resume",
    "resume_matching",
    "retry",
    "standing_runs",
    "suspects_running",
    "touch",
    "warm",
    "warn_held",
    "warn_wait",
]
