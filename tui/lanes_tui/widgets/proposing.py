"""What a filter could go on with: what was typed before, the fields, and the words that a field takes."""

from collections.abc import Iterable, Sequence

from textual.suggester import Suggester

from lanes.filters import FIELDS
from lanes_storage.law import Cause, LaneState

#: The words of fields that take only some.
WORDS: dict[str, tuple[str, ...]] = {
    "state": tuple(LaneState),
    "cause": tuple(Cause),
    "paused": ("yes", "no"),
}


def proposal(typed: str, before: Sequence[str]) -> str | None:
    """The whole line as it could be; None: nothing. ``before``: what was typed before, the last one last."""
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
    """Proposes behind the cursor what could follow."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.before: Sequence[str] = ()

    async def get_suggestion(self, value: str) -> str | None:
        """The proposal for a line."""
        return proposal(value, self.before)
