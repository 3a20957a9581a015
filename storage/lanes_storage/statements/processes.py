"""Statements about the processes of command runs, and the conversations of the agents in them."""

from lanes_storage.fragments import session_of, unproven

#: ``:session`` is a JSON object of one runner; null removes it.
KEEP_SESSION = """
UPDATE lanes SET agent_session =
  json_patch(CASE WHEN json_valid(agent_session) THEN agent_session ELSE '{}' END, :session)
WHERE run_id = :run AND epoch = :epoch
"""

NOTE_SURVIVORS = "UPDATE runs SET survivors = :survivors WHERE id = :run AND forced RETURNING lane_id"

UNPROVEN_OF_LANE = f"SELECT 1 FROM runs WHERE lane_id IN ({session_of(':lane')}) AND {unproven()} LIMIT 1"
