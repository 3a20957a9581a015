"""When a run falls silent: whether that is worth a bell, and in which words."""

from lanes.records import Silence, Silences
from lanes.text.spans import span
from lanes_storage.clock import Now
from lanes_tui.display import text, words

#: A provider that hangs silences many runs, one after another: they are told together, so far apart.
APART_MS = 10_000


class SilenceAlarm:
    """Knows what was silent before. What was so at the first look is no news: the header counts it."""

    def __init__(self) -> None:
        self._known: set[int] | None = None
        self._rang_at: int | None = None

    def rings(self, silences: Silences, now: Now) -> str | None:
        """The text about runs that became silent since the last call; None if there is nothing to report, or not
        yet."""
        silent = {each.run_id: each for each in silences.runs}
        if self._known is None:
            self._known = set(silent)
        fallen = [each for run, each in silent.items() if run not in self._known]
        if not fallen or (self._rang_at is not None and now.mono - self._rang_at < APART_MS):
            self._known &= set(silent)
            return None
        self._known, self._rang_at = set(silent), now.mono
        return _sentence(fallen)


def _sentence(fallen: list[Silence]) -> str:
    first = fallen[0]
    limit = "no limit ends it" if first.limit_ms is None else f"of {span(first.limit_ms)} ({first.limit})"
    provider = "" if first.provider is None else f" at {first.provider}"
    sentence = f"{first.key} has been silent for {span(first.silent_ms)}, {limit}{provider}"
    more = f"; {words.number(len(fallen) - 1)} more" if len(fallen) > 1 else ""
    return text.line(sentence + more).plain
