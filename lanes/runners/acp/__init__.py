"""Runners of kind ``acp``: programs that speak the Agent Client Protocol (version 1), one process for each run.

``runner`` starts and ends the agent, ``turn`` talks with it, ``wire`` reads and writes its messages, and ``updates``
interprets its reports about its work. Only ``turn`` imports the library, which takes half a second: so it is imported
with the first run.
"""
