"""The unit of work, one run cycle: a durable enqueue, a claim, one heartbeat, a completion."""

from lanes_storage import doors
from lanes_storage.interface import Transaction
from lanes_storage.law import OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.moment import Now, boot_id
from lanes_storage.records import Admission, Answer, Beat, Claimed, NewMessage, NewOwner, Terms, Ticket

TERMS = Terms(300_000, 120_000, 10_000, 5_000, 60_000, 600_000, OnInterrupt.REQUEUE, OnSurvivors.PAUSE)
ROOM = Admission(1_000_000)
OWNER = NewOwner("gateway", "bench", boot_id(), "", 1, 1, "bench", 5_000, 30_000, ("chat",))


def register(tx: Transaction, now: Now, owner: NewOwner = OWNER) -> int:
    """Enter the process that holds everything."""
    return doors.register(tx, owner, now)


def end_owner(tx: Transaction, owner: int, now: Now) -> None:
    """Close it."""
    doors.end_owner(tx, owner, now, cause="stopped", by="bench")


def enqueue(tx: Transaction, key: str, now: Now) -> int:
    """Accept one message; returns its id."""
    accepted = doors.accept(NewMessage(key, text="hello"), ROOM, now)(tx)
    assert isinstance(accepted, doors.Accepted)
    return accepted.message_id


def claim(tx: Transaction, owner: int, message: int, now: Now) -> Claimed:
    """Claim the lane whose head is ``message``."""
    (head,) = doors.candidates(tx, owner, now, after=message - 1, limit=1)
    claimed = doors.claim(head, owner, "chat", RunnerKind.PROVIDER, TERMS, now)(tx)
    assert claimed is not None
    return claimed


def heartbeat(tx: Transaction, owner: int, ticket: Ticket, now: Now) -> None:
    """One heartbeat that names the run."""
    doors.heartbeat(owner, [Beat(ticket, "content", now.boot, now.wall)], now)(tx)


def complete(tx: Transaction, ticket: Ticket, now: Now) -> None:
    """The run has its reply."""
    doors.complete(ticket, Answer("hello back"), now, by="bench")(tx)


def whole(tx: Transaction, owner: int, key: str, now: Now) -> None:
    """A whole cycle in one transaction."""
    claimed = claim(tx, owner, enqueue(tx, key, now), now)
    heartbeat(tx, owner, claimed.ticket, now)
    complete(tx, claimed.ticket, now)
