"""The usage and the cost of a run, from the OpenAI usage object that every runner returns."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from lanes.config.declared.model import Price
from lanes_storage.records import RunUsage

#: Larger counts, of tokens or of millionths of a US dollar, are ignored, so that thousands of counts can be added up.
MOST = 1 << 50
MICROS = 1_000_000


def run_usage(usage: Mapping[str, Any] | None, cost_usd: float | None) -> RunUsage | None:
    """The counts of a usage object, and the cost: the given one, or what the object says. None: nothing is known."""
    fields = usage or {}
    cost = fields.get("cost_usd") if cost_usd is None else cost_usd
    tokens = counted(fields.get("prompt_tokens")), counted(fields.get("completion_tokens"))
    if tokens == (None, None) and not is_cost(cost):
        return None
    return RunUsage(tokens[0] or 0, tokens[1] or 0, round(cost * MICROS) if is_cost(cost) else None)


def cost_of(usage: Mapping[str, Any] | None, price: Price | None) -> float | None:
    """The cost of a usage object at a price, in US dollars; None if either is unknown."""
    used = run_usage(usage, None)
    if price is None or used is None:
        return None
    details = (usage or {}).get("prompt_tokens_details")
    cached = counted(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    cached = min(cached or 0, used.input_tokens)
    micros = (used.input_tokens - cached) * price.input + cached * price.cached + used.output_tokens * price.output
    return micros / MICROS


def counted(value: object) -> int | None:
    """The value as a count of tokens; None if it is not a count that can be added up."""
    return value if type(value) is int and 0 <= value < MOST else None


def is_amount(value: object) -> TypeGuard[int | float]:
    """Whether it is a number that can be stored; NaN is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST


def is_cost(value: object) -> TypeGuard[int | float]:
    """Whether it is an amount in US dollars that can be counted."""
    return is_amount(value) and value * MICROS < MOST
