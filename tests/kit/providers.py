"""Provider settings for tests: generous limits, so that only a limit that a test sets is ever met."""

from typing import Any

from lanes.config import ProviderConfig

#: A limit that a test meets: also on a busy machine, what comes before it has happened by then.
SOON_MS = 500


def provider(
    base_url: str,
    model: str = "sim-ok",
    *,
    name: str = "first",
    dialect: str = "chat",
    api_key: str | None = None,
    connect_ms: int = 20_000,
    first_ms: int = 20_000,
    idle_ms: int = 20_000,
    trace: bool = False,
    **more: Any,
) -> ProviderConfig:
    """One provider; all limits in milliseconds."""
    return ProviderConfig(
        name=name,
        dialect=dialect,
        base_url=base_url,
        model=model,
        api_key=api_key,
        connect_timeout_ms=connect_ms,
        first_byte_timeout_ms=first_ms,
        idle_timeout_ms=idle_ms,
        trace=trace,
        **more,
    )
