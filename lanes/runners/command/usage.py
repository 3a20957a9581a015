"""The usage of an agent as an OpenAI usage object, which every surface shows."""

from collections.abc import Mapping
from typing import Any

from lanes.runners.usage import counted, is_cost

#: The programs' names for each count. Where they count cached tokens apart, ``prompt_tokens`` is the sum.
_NAMES = {
    "completion_tokens": ("completion_tokens", "output_tokens", "output"),
    "cached_tokens": ("cached_input_tokens", "cache_read_input_tokens", "cached_tokens", "cached"),
}
_PROMPT = ("prompt_tokens", "input_tokens", "input")
_APART = ("cache_read_input_tokens", "cache_creation_input_tokens")
_COST = "cost_usd"


class UsageSum:
    """Adds up the usage in the events of a run.

    ``before``: what the conversation had used before the run (``so_far`` of the run before it), for programs that
    report only the sum of the whole conversation.
    """

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self._before = before or {}
        self._used: dict[str, float] = {}  # reported for this run
        self._so_far: dict[str, float] = {}  # reported for the whole conversation
        self._reported = False

    def add(self, usage: Any) -> None:
        """Add one usage object. Values that are not numbers are ignored."""
        if isinstance(usage, Mapping):
            self._add(_read(usage))

    def spend(self, cost: Any) -> None:
        """Add what something cost, in US dollars."""
        if is_cost(cost):
            self._add({_COST: cost})

    def note(self, usage: Any, cost: Any) -> None:
        """Record what the whole conversation has used and cost so far."""
        if isinstance(usage, Mapping):
            self._reported = True
            self._so_far |= _read(usage)
        if is_cost(cost):
            self._reported = True
            self._so_far[_COST] = cost

    def _add(self, more: Mapping[str, float]) -> None:
        self._reported = True
        for name, count in more.items():
            self._used[name] = self._used.get(name, 0) + count

    @property
    def so_far(self) -> dict[str, float]:
        """What the whole conversation has used, for programs that report it; {}: this one did not."""
        return dict(self._so_far)

    def total(self) -> dict[str, Any] | None:
        """What this run has used, or None if no usage was reported."""
        if not self._reported:
            return None
        tokens = {"prompt_tokens": 0, "completion_tokens": 0} | self._used
        for name, count in self._so_far.items():
            before = self._before.get(name, 0)
            tokens[name] = count - before if count >= before else count  # a lower sum was restarted
        cached, cost = tokens.pop("cached_tokens", None), tokens.pop(_COST, 0)
        usage: dict[str, Any] = {**tokens, "total_tokens": sum(tokens.values())}
        if cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        if cost:
            usage[_COST] = round(cost, 6)
        return usage


def _read(usage: Mapping[str, Any]) -> dict[str, int]:
    """The counts of one usage object."""
    found = {name: count for name, keys in _NAMES.items() if (count := _count(usage, *keys)) is not None}
    cache = usage.get("cache")
    apart = [_count(usage, key) for key in _APART]
    if isinstance(cache, Mapping):
        found["cached_tokens"] = _count(cache, "read") or 0
        apart += _count(cache, "read"), _count(cache, "write")
    prompt = _count(usage, *_PROMPT)
    if prompt is not None:
        found["prompt_tokens"] = prompt + sum(count or 0 for count in apart)
    return found


def _count(usage: Mapping[str, Any], *keys: str) -> int | None:
    return next((count for key in keys if (count := counted(usage.get(key))) is not None), None)
