"""Accepting a request that is passed on unchanged, for the program of a source."""

from typing import Any

from lanes.base import arguments
from lanes.base.errors import Draining, LanesError, QueueFull
from lanes.context import Context
from lanes.records import Message
from lanes.verbs.sending import read_back
from lanes_storage import doors
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.interface import Step, Transaction
from lanes_storage.law import BoundTo, Mode, Overflow
from lanes_storage.records import OUTLINE, NewMessage, Repeated


def pass_on(
    ctx: Context, key: str, *, request: dict[str, Any], source: str, owner: int, anonymous: bool, concurrency: int
) -> Step[Message | Repeated | LanesError]:
    """Accept a request for its session, which may run ``concurrency`` requests at once; ``request`` is its outline.

    The message is bound to its connection, and runs at most once. Returns QueueFull, Draining if the owner has ended,
    or Repeated if the program sends a request again that was just ended.
    """
    stored, now = arguments.json_text(request, "request"), ctx.now()
    bound = BoundTo.CLIENT, owner
    new = NewMessage(key, None, stored, source, ctx.actor, *bound, anonymous, source=source, once=True)
    admission = ctx.admission(key)._replace(mode=Mode.QUEUE, overflow=Overflow.REJECT, concurrency=concurrency)
    digest = str(request[OUTLINE]["digest"])

    def step(tx: Transaction) -> Message | Repeated | LanesError:
        again = doors.repeated(tx, key, digest, now)
        if again is not None:
            return again
        accepted = doors.enter_beside(tx, new, admission, now)
        if not isinstance(accepted, Accepted):
            return Draining(key) if accepted is Refusal.OWNER_ENDED else QueueFull(key, admission.cap)
        return read_back(tx, accepted.message_id, now)

    return step
