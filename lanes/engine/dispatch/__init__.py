"""Dispatching: which waiting message is claimed next, and by which runner."""
