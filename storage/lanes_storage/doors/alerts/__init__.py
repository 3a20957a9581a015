"""Doors about incidents, of which alerts tell people."""
