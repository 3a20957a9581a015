"""Timestamps, ages and chat texts, as people read them."""
