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
    from lanes_storage.doors.input.questions import *
    from lanes_storage.doors.intake import *
    from lanes_storage.doors.owners import *
    from lanes_storage.doors.pauses import *
    from lanes_storage.doors.providers import *
    from lanes_storage.doors.releases import *
    from lanes_storage.doors.retention import *
    from lanes_storage.doors.shared.ends import *
    from lanes_storage.doors.shared.journal import *
    from lanes_storage.doors.shared.repeats import *
    from lanes_storage.doors.shared.warnings import *
    from lanes_storage.doors.waiting.budgets import *
    from lanes_storage.doors.waiting.clocks import *
    from lanes_storage.doors.waiting.places import *
    from lanes_storage.doors.waits import *
    from lanes_storage.doors.watched import *

__getattr__ = lazily(
    __name__,
    {
        ".aborts": "AbortRequest end_bound request_abort",
        ".claims": ("attach_process candidates candidates_among claim collectable keep_session postpone"),
        ".control": "ack drop retry",
        ".conversations": "ImportedTurn begin_conversation new_conversation tell_from",
        ".input.questions": "ask close_question take_answer take_steer",
        ".intake": "Accepted Refusal accept enter_beside",
        ".owners": "drain end_owner heartbeat note_progress register touch",
        ".pauses": "Control end_pause note_survivors pause pause_matching restored resume resume_matching",
        ".providers": (
            "answered cool count doubt leave_place note_asked note_provider refuse reset_provider take_place try_last"
        ),
        ".releases": "abort complete expire fail interrupt note_usage park reclaim",
        ".retention": "note_pruned prune prune_idempotency",
        ".shared.ends": "Evidence",
        ".shared.journal": "record",
        ".shared.repeats": "repeated",
        ".shared.warnings": "warn_held warn_wait",
        ".waiting.budgets": "exhausted refuse_over spend",
        ".waiting.clocks": "note_clock",
        ".waiting.places": "expire_waiting move_to_front recall",
        ".waits": "WaitCircle begin_wait end_wait",
        ".watched": (
            "ask_to_free end_freeing forget_sources free_by_itself keep_sightings note_source take_freeings "
            "warn_silent watch"
        ),
    },
)
