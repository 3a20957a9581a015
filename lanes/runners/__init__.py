"""Runners, which do the work of a run."""
