"""The doors: every change of state goes through one of these functions, in one transaction with its event.

A door whose guard no longer holds changes nothing and returns a value that says so; it raises no exception for it.
"""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes_storage.doors.aborts import *
    from lanes_storage.doors.claims import *
    from lanes_storage.doors.control import *
    from lanes_storage.doors.conversations import *
    from lanes_storage.doors.intake import *
    from lanes_storage.doors.owners import *
    from lanes_storage.doors.pauses import *
    from lanes_storage.doors.providers import *
    from lanes_storage.doors.releases import *
    from lanes_storage.doors.shared import *
    from lanes_storage.doors.shared.ends import *
    from lanes_storage.doors.shared.loops import *
    from lanes_storage.doors.upkeep import *
    from lanes_storage.doors.watched import *

__getattr__ = lazily(
    __name__,
    {
        ".aborts": "AbortRequest end_bound request_abort",
        ".claims": (
            "attach_process candidates candidates_among claim collectable exhausted keep_session postpone refuse_over "
            "spend"
        ),
        ".control": "ack drop move_to_front retry",
        ".conversations": (
            "ImportedTurn ask begin_conversation close_question new_conversation take_answer take_steer tell_from"
        ),
        ".intake": "Accepted Refusal accept enter_beside",
        ".owners": "drain end_owner heartbeat note_progress register touch",
        ".pauses": "Control end_pause note_survivors pause pause_matching restored resume resume_matching",
        ".providers": ("answered cool count doubt leave_place note_provider refuse reset_provider take_place try_last"),
        ".releases": "abort complete expire fail interrupt note_usage park reclaim",
        ".shared": "record",
        ".shared.ends": "Evidence",
        ".shared.loops": "WaitCircle begin_wait end_wait repeated",
        ".upkeep": (
            "claim_incident expire_waiting incident_not_sent incident_sent note_clock note_pruned prune "
            "prune_idempotency prune_incidents recall see_incidents warn_held warn_wait"
        ),
        ".watched": (
            "ask_to_free end_freeing forget_sources free_by_itself keep_sightings note_source take_freeings "
            "warn_silent watch"
        ),
    },
)
