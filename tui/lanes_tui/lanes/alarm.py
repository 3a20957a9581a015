"""Decides whether runs that fall silent are worth a bell, and words the notice."""

from lanes.records import Silence, Silences
from lanes.text.spans import span
from lanes_storage.clock import Now
from lanes_tui.display import text, words

#: The least time between two alarms: a provider that hangs silences many runs, one after another, which are reported
#: together.
APART_MS = 10_000


class SilenceAlarm:
    """Knows which runs were silent before. Those of the first look raise no alarm: the header counts them."""

    def __init__(self) -> None:
        self._known: set[int] | None = None
        self._rang_at: int | None = None

    def rings(self, silences: Silences, now: Now) -> str | None:
        """The notice about runs that fell silent since the last alarm; None if there are none, or if that alarm was
        less than ``APART_MS`` ago."""
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
    limit = "no limit set" if first.limit_ms is None else f"of {span(first.limit_ms)} ({first.limit})"
    provider = "" if first.provider is None else f" at {first.provider}"
    sentence = f"{text.key_of(first.key)} has been silent for {span(first.silent_ms)}, {limit}{provider}"
    more = f"; {words.number(len(fallen) - 1)} more" if len(fallen) > 1 else ""
    return text.line(sentence + more).plain
