"""The unit of work, one run cycle: a durable enqueue, a claim, one heartbeat, a completion."""

from collections.abc import Sequence

from lanes_storage import doors
from lanes_storage.clock import Now, boot_id
from lanes_storage.interface import CommandStep, Transaction, call, carry_out
from lanes_storage.law import OnInterrupt, OnSurvivors, RunnerKind
from lanes_storage.records import Admission, Beat, Claimed, NewMessage, NewOwner, Release, RunResult, Terms, Ticket

TERMS = Terms(300_000, 120_000, 10_000, 5_000, 60_000, 600_000, OnInterrupt.REQUEUE, OnSurvivors.PAUSE)
ROOM = Admission(1_000_000)
OWNER = NewOwner("gateway", "bench", boot_id(), "", 1, 1, "bench", 5_000, 30_000, ("chat",))


def register(tx: Transaction, now: Now, owner: NewOwner = OWNER) -> int:
    """Register the owner that holds every lane; returns its id."""
    return doors.register(tx, owner, now)


def end_owner(tx: Transaction, owner: int, now: Now) -> None:
    """End the owner."""
    doors.end_owner(tx, owner, now, cause="stopped", by="bench")


def enqueue(key: str, now: Now) -> CommandStep[int]:
    """Accept one message; results in its id."""
    return doors.accept(NewMessage(key, text="hello"), ROOM, now).and_then(_id)


def _id(_: Transaction, accepted: object) -> int:
    assert isinstance(accepted, doors.Accepted)
    return accepted.message_id


def claim(owner: int, message: int, now: Now) -> CommandStep[Claimed]:
    """Claim the lane whose head is ``message``."""
    return call(_claim, (owner, message, now))


def _claim(tx: Transaction, wanted: Sequence[tuple[int, int, Now]]) -> list[Claimed]:
    """Claim as a dispatcher claims a page: one read of its heads, and one set of claims."""
    owner, _, now = wanted[0]
    heads = doors.candidates_among(tx, owner, now, [message for _, message, _ in wanted])
    of = {head.message_id: head for head in heads}
    claims = [
        doors.claim(of[message], owner, "chat", RunnerKind.PROVIDER, TERMS, now) for owner, message, now in wanted
    ]
    claimed = [one for one in carry_out(tx, claims) if one is not None]
    assert len(claimed) == len(wanted)
    return claimed


def heartbeat(owner: int, ticket: Ticket, now: Now) -> CommandStep[list[Ticket] | None]:
    """One heartbeat that names the run."""
    return doors.heartbeat(owner, [Beat(ticket, "content", now.boot, now.wall)], now)


def complete(ticket: Ticket, now: Now) -> CommandStep[Release]:
    """Complete the run with a reply."""
    return doors.complete(ticket, RunResult("hello back"), now, by="bench")


def whole(tx: Transaction, owner: int, key: str, now: Now) -> None:
    """One run cycle in one transaction."""
    claimed = claim(owner, enqueue(key, now)(tx), now)(tx)
    heartbeat(owner, claimed.ticket, now)(tx)
    complete(claimed.ticket, now)(tx)
