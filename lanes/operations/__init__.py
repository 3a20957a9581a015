"""What every surface can do, once: the command line, the HTTP API, the dashboard and ``lanes.Desk``.

Each operation is a *procedure* (``lanes.procedure``): it yields what it needs of the store and of time, so the
same code runs for a blocking command and on an event loop. ``actor`` is who asks, as the journal shows it.
"""

from lanes.abort import abortable
from lanes.draining import DEFAULT_DRAIN_MS, drain, drain_rehearsal, drain_wait, gateways
from lanes.operations.house import events, status
from lanes.operations.lanes import (
    BY_ATTENTION,
    SHOWN_EVENTS,
    SHOWN_MESSAGES,
    counts,
    detail,
    lane,
    lanes,
    lanes_total,
    why,
)
from lanes.operations.messages import (
    begin_wait,
    bound_gone,
    dead_letters,
    drop,
    droppable,
    end_wait,
    message,
    messages,
    retriable,
    retry,
    retry_last,
    send,
    wait,
)
from lanes.pruning import prune_dead_letters

__all__ = [
    "BY_ATTENTION",
    "DEFAULT_DRAIN_MS",
    "SHOWN_EVENTS",
    "SHOWN_MESSAGES",
    "abortable",
    "begin_wait",
    "bound_gone",
    "counts",
    "dead_letters",
    "detail",
    "drain",
    "drain_rehearsal",
    "drain_wait",
    "drop",
    "droppable",
    "end_wait",
    "events",
    "gateways",
    "lane",
    "lanes",
    "lanes_total",
    "message",
    "messages",
    "prune_dead_letters",
    "retriable",
    "retry",
    "retry_last",
    "send",
    "status",
    "wait",
    "why",
]
