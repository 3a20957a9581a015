"""What an agent used, in the words of the OpenAI usage object, which every surface shows."""

from collections.abc import Mapping
from typing import Any

_NAMES = {
    "prompt_tokens": ("prompt_tokens", "input_tokens", "input"),
    "completion_tokens": ("completion_tokens", "output_tokens", "output"),
    "cached_tokens": ("cached_input_tokens", "cache_read_input_tokens", "cached_tokens", "cached"),
}


class UsageSum:
    """Adds up the usage in the events of a run."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._cost = 0.0
        self._told = False

    def add(self, usage: Any) -> None:
        """Add one usage object. Values that are not numbers are ignored."""
        if not isinstance(usage, Mapping):
            return
        self._told = True
        for name, known in _NAMES.items():
            count = next((usage[word] for word in known if type(usage.get(word)) is int), None)
            if count is not None:
                self._tokens[name] = self._tokens.get(name, 0) + count

    def spend(self, cost: Any) -> None:
        """Add what something cost, in US dollars."""
        if isinstance(cost, int | float) and not isinstance(cost, bool):
            self._told, self._cost = True, self._cost + cost

    def total(self) -> dict[str, Any] | None:
        """The sum, or None if no usage was reported."""
        if not self._told:
            return None
        tokens = {"prompt_tokens": 0, "completion_tokens": 0} | self._tokens
        cached = tokens.pop("cached_tokens", None)
        said: dict[str, Any] = {**tokens, "total_tokens": sum(tokens.values())}
        if cached is not None:
            said["prompt_tokens_details"] = {"cached_tokens": cached}
        if self._cost:
            said["cost_usd"] = round(self._cost, 6)
        return said
