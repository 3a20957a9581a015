"""The health of providers."""

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from lanes_storage.schema.columns import Table, together


class ProviderTable(Table, table=True):
    """What is known of a provider, for every gateway. Without a row it is well."""

    __tablename__ = "providers"
    __table_args__ = (CheckConstraint(together("cause", "since", "until"), name="provider_cooldown_whole"),)
    provider: str = Field(primary_key=True)
    #: The last cooldown. It stays when it is over, until an answer shows whether the provider is well again.
    cause: str | None = None
    since: int | None = None
    until: int | None = None
    #: Consecutive refusals; they determine the next cooldown, where a refusal names no time.
    tries: int = 0
    message: str | None = None  # the last error
    #: The key and address under which all of this was seen. Under others, only a refusal for load holds.
    fingerprint: str | None = None
    answered_at: int | None = None  # the last answer that was needed to know that it is well
    tried_last_until: int | None = None
    #: The message that got the last refusal that may be its own (such as a 429), when, and how many in a row it got.
    refused: int | None = None
    refused_at: int | None = None
    refusals: int = 0
    #: Answers, failures by cause and latency of the last hour (JSON array): ``ProviderCounts``.
    counts: str | None = None
    #: The lane that got a refusal which may concern the key or model, or only its request; until any lane is served.
    doubted: str | None = None
    #: How many others asked it when it refused one for load, and for how long no more than that ask it.
    held: int | None = None
    hold_ms: int = 0
    begun: int = 0  # how many it began to answer since it last refused its probe, less some for each refusal
