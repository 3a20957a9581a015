"""Rows about what must not be felt: other people's searches, other runners' backlogs, large requests, checkpoints."""
