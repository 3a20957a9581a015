"""Queries about the gateways of other programs."""
