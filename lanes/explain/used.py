"""Sentences about what the runs of a lane used, and about its budgets."""

from lanes.base.terminal import clean
from lanes.text.amounts import dollars
from lanes.text.spans import span
from lanes_storage.records import BudgetTerms, LaneRow, Spent


def usage_sentences(lane: LaneRow) -> list[str]:
    """What its runs used, if that is known."""
    if lane.used is None:
        return []
    tokens = lane.used.input_tokens + lane.used.output_tokens
    cost = "" if lane.used.cost_micros is None else f" and cost {dollars(lane.used.cost_micros)}"
    return [f"Its runs have used {tokens:,} tokens{cost}."]


def budget_sentence(budget: BudgetTerms, spent: Spent) -> str:
    """What was used of a budget, and its limits."""
    amounts = []
    if budget.runs is not None:
        amounts.append(f"{spent.runs:,}/{budget.runs:,} runs")
    if budget.tokens is not None:
        amounts.append(f"{spent.tokens:,}/{budget.tokens:,} tokens")
    if budget.cost_micros is not None:
        amounts.append(f"{dollars(spent.cost_micros)}/{dollars(budget.cost_micros)}")
    whose = f"Budget of {clean(budget.name)}" if budget.name else "Its budget"
    return f"{whose} for {span(budget.per_ms)}: {', '.join(amounts)}."
