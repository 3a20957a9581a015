"""Statements about what runs use and cost."""

from lanes_storage.fragments import own_lane
from lanes_storage.law import BUDGET_OF_LANE

#: Under which name a budget is counted: its own, or if it is empty that of the lane ``:lane``; the lanes of a session
#: have one together.
_BUDGET = f"CASE :name WHEN '' THEN '{BUDGET_OF_LANE}' || {own_lane(':lane')} ELSE :name END"

NOTE_USAGE = "UPDATE runs SET usage = :usage WHERE id = :run"

#: What the runs of a session used, as far as it is known.
ADD_USAGE = f"""
UPDATE lanes SET input_tokens = coalesce(input_tokens, 0) + :input_tokens,
  output_tokens = coalesce(output_tokens, 0) + :output_tokens,
  cost_micros = CASE WHEN :cost_micros IS NULL THEN cost_micros ELSE coalesce(cost_micros, 0) + :cost_micros END
WHERE id = {own_lane(":lane")}
"""

_SPEND = """
INSERT INTO spent (budget, bucket, runs, tokens, cost_micros) VALUES ({budget}, :bucket, :runs, :tokens, :cost_micros)
ON CONFLICT (budget, bucket) DO UPDATE SET runs = runs + excluded.runs, tokens = tokens + excluded.tokens,
  cost_micros = cost_micros + excluded.cost_micros
"""
SPEND = _SPEND.format(budget=_BUDGET)
#: What was taken out, under the name that it had.
SPEND_AGAIN = _SPEND.format(budget=":budget")

SPENT = f"""
SELECT coalesce(sum(runs), 0), coalesce(sum(tokens), 0), coalesce(sum(cost_micros), 0), min(bucket)
FROM spent WHERE budget = {_BUDGET} AND bucket > :after
"""

FORGET_SPENT = f"DELETE FROM spent WHERE budget = {_BUDGET} AND bucket <= :after"
