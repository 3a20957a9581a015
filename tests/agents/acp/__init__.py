"""Runners of kind ``acp``."""
