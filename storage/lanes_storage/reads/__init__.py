"""The queries: everything that lanes reads to show, to judge and to wait. Each is one SELECT."""

from lanes_storage.reads.backlog import heads, heads_of, news, suspects_running, touched
from lanes_storage.reads.journal import cooldowns, epoch_of_release, events, last_event_id, notices
from lanes_storage.reads.lanes import (
    claimable,
    counts,
    lane,
    lane_epochs,
    lane_place,
    lanes,
    lanes_by_state,
    lanes_total,
)
from lanes_storage.reads.messages import dead_letters, ended_among, get_message, history, message, messages
from lanes_storage.reads.owners import (
    aborts_of_owner,
    count_open_runs,
    drain_of_owner,
    open_runs,
    owner,
    owners,
    real_runner_ever_ran,
    refused_writes,
    run,
    waiting_of_owner,
    waits,
)
from lanes_storage.reads.retention import any_old_idempotency, old
from lanes_storage.reads.waiting import waiting_heads

__all__ = [
    "aborts_of_owner",
    "any_old_idempotency",
    "claimable",
    "cooldowns",
    "count_open_runs",
    "counts",
    "dead_letters",
    "drain_of_owner",
    "ended_among",
    "epoch_of_release",
    "events",
    "get_message",
    "heads",
    "heads_of",
    "history",
    "lane",
    "lane_epochs",
    "lane_place",
    "lanes",
    "lanes_by_state",
    "lanes_total",
    "last_event_id",
    "message",
    "messages",
    "news",
    "notices",
    "old",
    "open_runs",
    "owner",
    "owners",
    "real_runner_ever_ran",
    "refused_writes",
    "run",
    "suspects_running",
    "touched",
    "waiting_heads",
    "waiting_of_owner",
    "waits",
]
