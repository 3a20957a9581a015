"""Passes requests of other programs on to their provider, unchanged and within limits."""
