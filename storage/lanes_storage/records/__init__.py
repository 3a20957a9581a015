"""What goes in and out of storage: plain frozen records."""

from lanes_storage.records.claims import Claimed, Head, Old, Release, Waiting, WaitingHead
from lanes_storage.records.given import (
    Admission,
    Answer,
    Attempt,
    Beat,
    Failure,
    Idempotency,
    Intake,
    NewMessage,
    NewOwner,
    Process,
    Terms,
    Ticket,
    Waiter,
)
from lanes_storage.records.shown import Counts, Lane, LaneFilter, LaneOrder, LaneSort
from lanes_storage.records.stored import Cooldown, Event, LastError, Message, Owner, Pause, Run

__all__ = [
    "Admission",
    "Answer",
    "Attempt",
    "Beat",
    "Claimed",
    "Cooldown",
    "Counts",
    "Event",
    "Failure",
    "Head",
    "Idempotency",
    "Intake",
    "Lane",
    "LaneFilter",
    "LaneOrder",
    "LaneSort",
    "LastError",
    "Message",
    "NewMessage",
    "NewOwner",
    "Old",
    "Owner",
    "Pause",
    "Process",
    "Release",
    "Run",
    "Terms",
    "Ticket",
    "Waiter",
    "Waiting",
    "WaitingHead",
]
