"""Messages, and the names that senders gave them."""

from sqlalchemy import CheckConstraint, Column, Computed, Index, Integer
from sqlmodel import Field

from lanes_storage.fragments import dead_letter, one_of
from lanes_storage.law import (
    TERMINAL,
    BoundTo,
    MessageState,
)
from lanes_storage.schema.columns import Table, identity, partial, reference, together


class MessageTable(Table, table=True):
    """One accepted piece of input. The messages of a lane start in the order of ``rank``."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint(one_of("state", MessageState), name="message_state"),
        # A hold has no input: its waiter does the work itself.
        CheckConstraint(
            "((text IS NULL) <> (request IS NULL))"
            f" OR (text IS NULL AND request IS NULL AND coalesce(bound_to, '') = '{BoundTo.WAITER}')",
            name="message_has_one_input",
        ),
        CheckConstraint(f"{one_of('state', TERMINAL)} = (ended_at IS NOT NULL)", name="message_ends_once"),
        CheckConstraint("state <> 'running' OR run_id IS NOT NULL", name="message_runs_in_a_run"),
        CheckConstraint("reply IS NULL OR state = 'done'", name="message_reply_only_when_done"),
        CheckConstraint("state <> 'failed' OR error_cause IS NOT NULL", name="message_failure_has_a_cause"),
        CheckConstraint(f"bound_to IS NULL OR {one_of('bound_to', BoundTo)}", name="message_bound_to"),
        CheckConstraint(together("bound_to", "bound_owner"), name="message_bound_whole"),
        CheckConstraint("parked_until IS NULL OR parked_since IS NOT NULL", name="message_parked_since"),
        CheckConstraint("interruptions >= 0", name="message_interruptions"),
        CheckConstraint("for_run IS NULL OR state = 'queued'", name="message_for_a_run_waits"),
        Index("messages_of_lane", "lane_id", "id"),
        partial("messages_queued", "lane_id", "rank", where="state = 'queued'"),
        partial("messages_batch", "batch", "id", where="batch IS NOT NULL"),
        partial("messages_failed", "id", "retried_as", where=dead_letter()),
        partial("messages_for_run", "for_run", where="for_run IS NOT NULL"),
        partial("messages_parked", "parked_until", where="parked_for IS NOT NULL"),
        partial("messages_bound", "bound_owner", where="bound_owner IS NOT NULL AND ended_at IS NULL"),
        partial("messages_expiring", "expires_at", where="expires_at IS NOT NULL AND state = 'queued'"),
        partial("messages_moved", "moved_to", where="moved_to IS NOT NULL AND state = 'queued'"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = identity()
    lane_id: int = reference("lanes", required=True)
    state: str
    text: str | None = None
    request: str | None = None
    #: The request lets its provider act; null if not.
    acts: bool | None = None
    runner: str | None = None
    #: Its first run begins a new conversation.
    fresh: bool | None = None
    actor: str
    #: The person who wrote the message, as the program that sent it names them; and the program that it came from.
    sender: str | None = None
    source: str | None = None
    #: The open run that may take the message while it works: as the answer to its question, or as a steer.
    for_run: int | None = None
    #: The lane was made for one request, or the request was only passed on: if the message fails, it is not a dead
    #: letter.
    anonymous: bool = False
    #: Its position, if that is not the order of acceptance: a person moved it, or it lets others pass (``ASIDE``).
    moved_to: int | None = None
    rank: int | None = Field(default=None, sa_column=Column(Integer, Computed("coalesce(moved_to, id)")))
    #: When the message has waited too long (wall time).
    expires_at: int | None = None
    bound_to: str | None = None
    bound_owner: int | None = None
    #: The last of the messages that are answered together, from their first claim on; null for a message that is alone.
    batch: int | None = None
    run_id: int | None = None
    reply: str | None = None
    reply_detail: str | None = None
    error_cause: str | None = None
    error_message: str | None = None
    attempts: str | None = None  # JSON array
    interruptions: int = 0
    #: The number of messages in the chain before it: its sender was a run, of a message that a run sent, and so on.
    depth: int | None = None
    #: How often the message was run once more by itself; null if never.
    retries: int | None = None
    parked_until: int | None = None
    parked_since: int | None = None
    #: The providers whose cooldown it waits for (JSON array of names); null: it was never parked for one. It stays when
    #: the message runs, so that no run costs the change of an index.
    parked_for: str | None = None
    retry_of: int | None = None
    retried_as: int | None = None
    answered_by: int | None = None
    accepted_at: int
    wait_warned_at: int | None = None  # once per message, by the gateway that notices its wait first
    started_at: int | None = None
    ended_at: int | None = None


class IdempotencyTable(Table, table=True):
    """The name that a sender gave a message. It has no foreign key: the row is kept when the message is pruned."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("idempotency_age", "accepted_at"), Index("idempotency_message", "message_id"))
    lane_key: str = Field(primary_key=True)
    token: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str
    message_id: int
    accepted_at: int
