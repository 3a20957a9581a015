"""The doors: every change of state goes through one of these functions, in one transaction with its event.

A door whose guard no longer holds changes nothing and returns a value that says so; it raises no exception for it.
"""

from lanes_storage.doors.aborts import AbortRequest, end_bound, request_abort
from lanes_storage.doors.claims import (
    attach_process,
    candidates,
    candidates_among,
    claim,
    collectable,
    keep_session,
    postpone,
    set_on_interrupt,
    suspects_running,
)
from lanes_storage.doors.control import ack, drop, retry
from lanes_storage.doors.conversations import ImportedTurn, begin_conversation, new_conversation, tell_from
from lanes_storage.doors.input.questions import ask, close_question, take_answer, take_steer
from lanes_storage.doors.intake import Accepted, Refusal, accept, enter_beside
from lanes_storage.doors.owners import drain, end_owner, heartbeat, note_progress, register, runs_of_owner, touch
from lanes_storage.doors.pauses import (
    Control,
    end_pause,
    note_survivors,
    pause,
    pause_matching,
    resume,
    resume_matching,
)
from lanes_storage.doors.providers import (
    answered,
    cool,
    count,
    doubt,
    note_provider,
    refuse,
    reset_provider,
    take_place,
    try_last,
)
from lanes_storage.doors.releases import abort, complete, expire, fail, interrupt, note_usage, park, reclaim
from lanes_storage.doors.restoring import restored
from lanes_storage.doors.retention import note_pruned, prune, prune_idempotency
from lanes_storage.doors.shared.ends import Evidence
from lanes_storage.doors.shared.journal import record
from lanes_storage.doors.shared.repeats import repeated
from lanes_storage.doors.shared.warnings import warn_held, warn_wait
from lanes_storage.doors.waiting.budgets import exhausted, refuse_over, spend
from lanes_storage.doors.waiting.clocks import note_clock
from lanes_storage.doors.waiting.expiry import expire_waiting
from lanes_storage.doors.waiting.places import move_to_front, recall
from lanes_storage.doors.waits import WaitCircle, begin_wait, end_wait
from lanes_storage.doors.watched.freeings import ask_to_free, end_freeing, free_by_itself, take_freeings
from lanes_storage.doors.watched.sightings import forget_sources, keep_sightings, note_source, warn_silent, watch
