"""What a run used and cost, from what providers and agents say."""

from typing import Any

import pytest

from lanes.config.declared.model import Price
from lanes.runners.usage import cost_of, run_usage
from lanes_storage.records import RunUsage

PRICE = Price(2.5, 10, 0.25)


@pytest.mark.parametrize(
    ("usage", "cost", "expected"),
    [
        (None, None, None),
        ({}, None, None),
        ({"prompt_tokens": 3, "completion_tokens": 4}, None, RunUsage(3, 4)),
        ({"prompt_tokens": 3}, 0.5, RunUsage(3, 0, 500_000)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "cost_usd": 0.25}, None, RunUsage(3, 4, 250_000)),
        ({"cost_usd": 1}, None, RunUsage(0, 0, 1_000_000)),
        ({"prompt_tokens": -1, "completion_tokens": 1 << 60}, None, None),
        ({"prompt_tokens": True, "completion_tokens": "4", "cost_usd": float("nan")}, None, None),
        ({"prompt_tokens": 1, "cost_usd": float("inf")}, None, RunUsage(1, 0)),
        ({"prompt_tokens": 1, "cost_usd": 1e14}, None, RunUsage(1, 0)),  # no row takes its millionths
        ({"prompt_tokens": 1}, 1e11, RunUsage(1, 0)),  # nor the sum of a hundred of these
    ],
)
def test_what_a_usage_object_says(usage: dict[str, Any] | None, cost: float | None, expected: RunUsage | None) -> None:
    assert run_usage(usage, cost) == expected


def test_what_it_costs_at_a_price() -> None:
    usage: dict[str, Any] = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000}
    assert cost_of(usage, PRICE) == 3.5
    assert cost_of(usage | {"prompt_tokens_details": {"cached_tokens": 400_000}}, PRICE) == pytest.approx(2.6)
    assert cost_of(usage | {"prompt_tokens_details": {"cached_tokens": 10**9}}, PRICE) == pytest.approx(1.25)
    assert cost_of(usage | {"prompt_tokens_details": "x"}, PRICE) == 3.5
    assert cost_of(usage, None) is None
    assert cost_of(None, PRICE) is None
