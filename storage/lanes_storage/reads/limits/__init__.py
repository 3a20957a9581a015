"""Queries about what lanes use, and about what people are told of."""
