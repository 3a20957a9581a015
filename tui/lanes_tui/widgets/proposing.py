"""The completion of a filter: by earlier filters, names of fields, and their values."""

from collections.abc import Iterable, Sequence

from textual.suggester import Suggester

from lanes.filters import FIELDS
from lanes_storage.law import Cause, LaneState

#: The values of fields that take only these.
WORDS: dict[str, tuple[str, ...]] = {
    "state": tuple(LaneState),
    "cause": tuple(Cause),
    "paused": ("yes", "no"),
}


def proposal(typed: str, before: Sequence[str]) -> str | None:
    """The completed line; None: there is no proposal. ``before``: earlier filters, the last one last."""
    if not typed:
        return None
    for line in reversed(before):
        if line.startswith(typed) and line != typed:
            return line
    word = typed.rpartition(" ")[2].lstrip("!-")
    field, colon, value = word.partition(":")
    if not colon:
        return _ended(typed, word, (f"{name}:" for name in FIELDS)) if word else None
    last = value.rpartition(",")[2]
    return _ended(typed, last, WORDS.get(field, ())) if last else None


def _ended(typed: str, begun: str, words: Iterable[str]) -> str | None:
    found = next((word for word in words if word.startswith(begun) and word != begun), None)
    return None if found is None else typed + found[len(begun) :]


class FilterSuggester(Suggester):
    """Proposes the completion behind the cursor."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.before: Sequence[str] = ()

    async def get_suggestion(self, value: str) -> str | None:
        """The proposal for a line."""
        return proposal(value, self.before)
