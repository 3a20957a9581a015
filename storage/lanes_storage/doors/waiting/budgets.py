"""Budgets: what lanes may use within a time, counted over all gateways."""

from collections.abc import Sequence
from typing import NamedTuple

from lanes_storage.clock import Now
from lanes_storage.doors.pauses import pause_lane
from lanes_storage.doors.shared.endings import end_waiting
from lanes_storage.interface import Transaction, within
from lanes_storage.law import Cause, MessageState, PauseKind
from lanes_storage.reads.limits import since
from lanes_storage.reads.limits import spent as used
from lanes_storage.records import BudgetTerms, Head, RunFailure, Spent
from lanes_storage.statements import spending as sql


class Exhausted(NamedTuple):
    """A budget of which nothing is left, and what was used of it."""

    budget: BudgetTerms
    spent: Spent

    @property
    def reason(self) -> str:
        budget, spent = self.budget, self.spent
        amounts = [
            f"{spent.runs} of {budget.runs} runs" if budget.runs is not None else "",
            f"{spent.tokens} of {budget.tokens} tokens" if budget.tokens is not None else "",
            f"{spent.cost_micros / 1e6:.4g} of {budget.cost_micros / 1e6:.4g} US dollars"
            if budget.cost_micros is not None
            else "",
        ]
        whose = f" of all lanes of {budget.name}" if budget.name else ""
        return f"the budget{whose} is used up: {', '.join(filter(None, amounts))} in {budget.per_ms // 1000} s"


def exhausted(tx: Transaction, lane: int, budgets: Sequence[BudgetTerms], now: Now) -> Exhausted | None:
    """The first budget of a lane of which nothing is left; None: it may run."""
    for budget in budgets:
        spent = within(tx, used(budget, lane, now))
        if spent.exhausts(budget):
            return Exhausted(budget, spent)
    return None


def refuse_over(tx: Transaction, head: Head, over: Exhausted, now: Now) -> None:
    """Pause the lane until a part of what was used no longer counts; or end its head, as the budget says."""
    if over.budget.reject:
        failure = RunFailure(Cause.OVER_BUDGET, over.reason)
        end_waiting(tx, head.message_id, MessageState.FAILED, failure, now, actor="lanes")
        return
    until = over.spent.until
    pause_lane(tx, head.lane_id, PauseKind.BUDGET, now, actor="lanes", reason=over.reason, until=until)


def spend(
    tx: Transaction,
    lane: int,
    budgets: Sequence[BudgetTerms],
    now: Now,
    *,
    runs: int = 0,
    tokens: int = 0,
    cost_micros: int = 0,
) -> None:
    for budget in budgets:
        of, bucket = {"name": budget.name, "lane": lane}, now.wall // budget.bucket_ms * budget.bucket_ms
        tx.run(sql.FORGET_SPENT, of | {"after": since(budget, now)})
        amounts = {"runs": runs, "tokens": tokens, "cost_micros": cost_micros}
        tx.run(sql.SPEND, of | {"bucket": bucket} | amounts)
