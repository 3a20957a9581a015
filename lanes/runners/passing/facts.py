"""What is stored of an answer that was passed on: known numbers and a short model name. No text of it, and no key."""

from collections.abc import Iterable, Mapping
from typing import Any

from lanes.base.terminal import clean
from lanes.runners.http.redaction import redacted
from lanes.runners.usage import is_amount

#: The longest model that is stored, and how much of one is read.
LONGEST_MODEL = 128
MOST_READ = 4_096

_NUMBERS = ("prompt_tokens", "completion_tokens", "total_tokens", "cost", "cost_usd")
_DETAILS = {
    "prompt_tokens_details": ("cached_tokens", "cache_write_tokens", "audio_tokens"),
    "completion_tokens_details": ("reasoning_tokens", "audio_tokens"),
}


def kept_model(model: str | None, keys: Iterable[str]) -> str | None:
    """The model that an answer names, as it is stored."""
    if not model:
        return None
    model = model[:MOST_READ]
    model = redacted(model, *keys)
    return clean(model[:LONGEST_MODEL])[:LONGEST_MODEL]


def kept_usage(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The part of a usage object of chat that is stored; None if it has no number."""
    if usage is None:
        return None
    kept: dict[str, Any] = _numbers(usage, _NUMBERS)
    for name, numbers in _DETAILS.items():
        if found := _numbers(usage.get(name), numbers):
            kept[name] = found
    return kept or None


def _numbers(of: object, names: Iterable[str]) -> dict[str, int | float]:
    values = {name: of.get(name) for name in names} if isinstance(of, Mapping) else {}
    return {name: value for name, value in values.items() if is_amount(value)}
