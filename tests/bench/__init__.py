"""Benchmarks with ratios; never part of the tests. ``make bench`` runs them all and prints a table."""
