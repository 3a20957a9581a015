"""The queries: all reads for display, for judges and for waiting. Each is one SELECT."""

from typing import TYPE_CHECKING

from lanes_storage.lazily import lazily

if TYPE_CHECKING:
    from lanes_storage.reads.backlog import *
    from lanes_storage.reads.journal import *
    from lanes_storage.reads.limits import *
    from lanes_storage.reads.of_lanes import *
    from lanes_storage.reads.of_messages import *
    from lanes_storage.reads.of_owners import *
    from lanes_storage.reads.of_sessions import *
    from lanes_storage.reads.watched import *

__getattr__ = lazily(
    __name__,
    {
        ".backlog": "anyone_waits expired heads heads_of news recallable suspects_running touched waiting_heads",
        ".journal": "epoch_of_release events first_event_id has_event_since last_event_id notices time_of_event",
        ".of_lanes": (
            "claimable counts glob_pauses lane lane_epochs lane_groups lane_place lanes lanes_total "
            "lanes_until pause repeated sort_place survivor_pauses tally"
        ),
        ".limits": (
            "any_old_incident any_open_incident due_incidents gateways_down long_held long_waiting providers_down "
            "recent_dead_letters spent"
        ),
        ".of_messages": (
            "DROPPABLE RETRIABLE RETRIABLE_WHERE_NAMED dead_letters ended_among letter_place letter_tally message "
            "message_count message_ids messages prunable conversation conversation_state conversations recalled old"
        ),
        ".of_owners": (
            "clock_noted lane_of_run open_runs orders_of_owner owner "
            "owner_loads owners owners_of real_runner_ever_ran refused_writes run runs_of_owner silent_runs "
            "unproven_run unproven_runs waits cooldowns in_flight place_of places_taken providers refusals_of"
        ),
        ".of_sessions": "lane_with_question members",
        ".watched": "freeing has_freeings origins sighting sightings sightings_named sources unnamed",
    },
)
