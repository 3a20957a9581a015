"""Statements about the processes of command runs, and the conversations of the agents in them."""

#: ``:session`` is a JSON object of one runner; null removes it.
KEEP_SESSION = """
UPDATE lanes SET agent_session =
  json_patch(CASE WHEN json_valid(agent_session) THEN agent_session ELSE '{}' END, :session)
WHERE run_id = :run AND epoch = :epoch
"""
