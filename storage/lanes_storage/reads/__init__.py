"""The queries: all reads for display, for judges and for waiting. Each is one SELECT."""

from lanes_storage.reads.backlog import (
    anyone_waits,
    expired,
    heads,
    heads_of,
    news,
    recallable,
    suspects_running,
    touched,
    waiting_heads,
)
from lanes_storage.reads.conversations import conversation, conversation_state, conversations, recalled
from lanes_storage.reads.journal import epoch_of_release, events, last_event_id, notices
from lanes_storage.reads.lanes import (
    claimable,
    counts,
    get_pause,
    glob_pauses,
    lane,
    lane_epochs,
    lane_groups,
    lane_place,
    lanes,
    lanes_total,
    members,
    repeated,
    tally,
)
from lanes_storage.reads.limits.alarming import (
    any_old_incident,
    any_open_incident,
    due_incidents,
    gateways_down,
    long_held,
    long_waiting,
    providers_down,
    recent_dead_letters,
)
from lanes_storage.reads.limits.spending import spent
from lanes_storage.reads.messages import (
    DROPPABLE,
    RETRIABLE,
    RETRIABLE_WHERE_NAMED,
    dead_letters,
    ended_among,
    letter_place,
    letter_tally,
    message,
    message_count,
    message_ids,
    messages,
    prunable,
)
from lanes_storage.reads.owners import (
    aborts_of_owner,
    clock_noted,
    drain_of_owner,
    input_of_owner,
    lane_of_run,
    open_runs,
    orders_of_owner,
    owner,
    owner_loads,
    owners,
    owners_of,
    real_runner_ever_ran,
    refused_writes,
    run,
    runs_of_owner,
    silent_runs,
    unproven_run,
    unproven_runs,
    waiting_of_owner,
    waits,
)
from lanes_storage.reads.providers import cooldowns, in_flight, place_of, places_taken, providers
from lanes_storage.reads.retention import any_old_idempotency, old
from lanes_storage.reads.watched.sightings import (
    freeing,
    has_freeings,
    origins,
    sighting,
    sightings,
    sightings_named,
    sources,
    unnamed,
)
