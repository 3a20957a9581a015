"""Queries about budgets."""

from collections.abc import Sequence

from lanes_storage.clock import Now
from lanes_storage.interface import Query, Row
from lanes_storage.records import BudgetTerms, Spent
from lanes_storage.statements import spending as sql


def since(budget: BudgetTerms, now: Now) -> int:
    """Up to and including which bucket nothing counts any more."""
    return now.wall - budget.per_ms - budget.bucket_ms


def as_spent(rows: Sequence[Row], budget: BudgetTerms) -> Spent:
    """The row of ``statements.spending.SPENT``."""
    runs, tokens, cost, first = rows[0]
    return Spent(runs, tokens, cost, None if first is None else first + budget.per_ms + budget.bucket_ms)


def spent(budget: BudgetTerms, lane: int, now: Now) -> Query[Spent]:
    """What was used of a budget of a lane."""
    values = {"budget": budget.of(lane), "after": since(budget, now)}
    return Query(sql.SPENT, values, lambda rows: as_spent(rows, budget), point=True)
