"""The records of other programs' gateways."""

from lanes_storage.law import HELD_THERE, SourceState, WatchedState
from lanes_storage.tuples import NamedTuple


class Sighting(NamedTuple):
    """A session of another program's gateway, as it was seen. It contains nothing of the conversation.

    ``runs`` are the ids of what runs, the oldest first. Times are wall time in milliseconds. ``waiting``: how many
    messages wait; None: the gateway does not say. ``outcome``: how its last run ended, in the gateway's word.
    """

    key: str
    state: WatchedState
    runs: tuple[str, ...] = ()
    since: int | None = None
    last_sign: int | None = None
    waiting: int | None = None
    outcome: str | None = None

    @property
    def held(self) -> bool:
        """Whether something holds it."""
        return self.state in HELD_THERE


class SourceRow(NamedTuple):
    """A gateway of another program, and the owner that watches it. ``changed_at``: since when it is in this state;
    ``error``: why it could last not be watched, at ``error_at``."""

    name: str
    kind: str
    url: str
    owner_id: int
    state: SourceState
    version: str | None
    why: str | None
    fix: str | None
    changed_at: int
    error: str | None = None
    error_at: int | None = None


class SightingRow(NamedTuple):
    """A stored sighting, with its source. ``epoch`` changes with the runs that hold the session."""

    source: SourceRow
    seen: Sighting
    epoch: int
    from_files: bool
    changed_at: int
    freeing: bool  # a request to free it is open
    warned_epoch: int | None = None
    freed_epoch: int | None = None

    @property
    def address(self) -> str:
        """The key of the session on the surfaces of lanes: the name of its source, a colon, its key there."""
        return f"{self.source.name}:{self.seen.key}"


class Freeing(NamedTuple):
    """A request to free a session, for the process that carries it out."""

    id: int
    key: str
    epoch: int
    reset: bool
    actor: str


class FreeingRow(NamedTuple):
    """The state of a request to free a session. ``outcome`` is None until the request has ended; ``steps``: what was
    tried, JSON objects."""

    id: int
    source: str
    key: str
    epoch: int
    taken_by: int | None
    outcome: str | None
    steps: tuple[dict[str, object], ...]
    ended_at: int | None
