"""Explanations for people: why a lane does not progress, and what to do."""
