"""The state of providers."""

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from lanes_storage.schema.columns import Table, together


class ProviderTable(Table, table=True):
    """The state of a provider, for every gateway: until when it is not asked, and what is known about it."""

    __tablename__ = "providers"
    __table_args__ = (
        CheckConstraint(together("cause", "since", "until"), name="provider_cooldown_whole"),
        CheckConstraint(together("probe_owner", "probe_at"), name="provider_probe_whole"),
    )
    provider: str = Field(primary_key=True)
    cause: str | None = None
    since: int | None = None
    until: int | None = None
    #: Consecutive refusals that named no time; they determine the next cooldown.
    tries: int = 0
    #: Its last error message; the key and address under which it was asked (if they change, the state is reset); which
    #: run asks it while it cools; until when it is tried last; when it last answered. Filled by the health of
    #: providers.
    message: str | None = None
    fingerprint: str | None = None
    probe_owner: int | None = None
    probe_at: int | None = None
    tried_last_until: int | None = None
    answered_at: int | None = None
