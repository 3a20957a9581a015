"""Doors about other programs' gateways."""
