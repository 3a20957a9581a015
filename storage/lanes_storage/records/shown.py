"""The records of lists and summaries, and what alerts tell of."""

from lanes_storage.tuples import NamedTuple


class OwnerLoad(NamedTuple):
    """What an owner did recently, and how many of its runs are silent."""

    owner: int
    runs: int  # that have ended
    answers: int
    failures: int
    silent: int
    last_error: str | None  # the cause of the last failure


class LetterTallyRow(NamedTuple):
    """Counts over the dead letters that a filter chooses. ``oldest`` and ``newest`` are the ids of two of them."""

    letters: int = 0
    retried: int = 0
    kept: int = 0  # whose sender may still repeat the request with an idempotency key
    oldest: int | None = None
    newest: int | None = None


class SilentRun(NamedTuple):
    """A run that has been silent for at least half of the limit that acts first. ``limit`` is None if no limit ends
    it."""

    id: int
    key: str
    silent_ms: int
    limit_ms: int | None
    limit: str | None
    provider: str | None  # the provider whose limit it is; None if the limit ends the whole run


class DueIncident(NamedTuple):
    """An incident that is to be told: its beginning, or else its end."""

    id: int
    alert: str
    kind: str
    subject: str
    facts: str
    began_at: int
    ended_at: int | None
    begin_sent_at: int | None
    tries: int
