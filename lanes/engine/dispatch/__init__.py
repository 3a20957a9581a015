"""Which waiting message is claimed next."""
