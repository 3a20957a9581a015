"""How this process registers as an owner."""

from collections.abc import Sequence

from lanes.config import Config
from lanes.host.identity import this_process
from lanes_storage.records import NewOwner


def as_owner(
    kind: str, config: Config, *, fingerprint: str | None = None, runners: Sequence[str] = (), url: str | None = None
) -> NewOwner:
    """This process as an owner of that kind (``gateway``, ``desk``), with the intervals of a configuration."""
    intervals = config.clocks.heartbeat_interval_ms, config.clocks.stale_after_ms
    return NewOwner(kind, *this_process(), fingerprint or config.fingerprint, *intervals, tuple(runners), url)
