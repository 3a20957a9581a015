"""Take one guard away at a time and see whether a test misses it: ``python -m tests.mutation``."""
