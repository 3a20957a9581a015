"""Runners of kind ``acp``: programs that speak the Agent Client Protocol (version 1), one process for each run.

``runner`` starts one and ends it, ``turn`` is its conversation with it, ``wire`` reads and writes its messages, and
``updates`` understands what it tells of its work. Only ``turn`` imports the library, which takes half a second: it is
imported when such a runner runs.
"""
