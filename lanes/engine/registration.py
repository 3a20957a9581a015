"""How this process registers as an owner."""

from collections.abc import Sequence

from lanes.config import Config
from lanes.host.identity import this_process
from lanes_storage.records import NewOwner


def as_owner(
    kind: str, config: Config, *, fingerprint: str | None = None, runners: Sequence[str] = (), url: str | None = None
) -> NewOwner:
    """This process as an owner of that kind (``gateway``, ``desk``), with the intervals of a configuration."""
    me, clocks = this_process(), config.clocks
    return NewOwner(
        kind=kind,
        host=me.host,
        boot_id=me.boot_id,
        pid_ns=me.pid_ns,
        pid=me.pid,
        start_time=me.start_time,
        fingerprint=fingerprint or config.fingerprint,
        heartbeat_interval_ms=clocks.heartbeat_interval_ms,
        stale_after_ms=clocks.stale_after_ms,
        runners=tuple(runners),
        url=url,
    )
