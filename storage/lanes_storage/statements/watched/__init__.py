"""Statements about the gateways of other programs."""
