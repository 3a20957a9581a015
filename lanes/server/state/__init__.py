"""State with the lifetime of the server or of a stream: application state, journal feed, waiting clients."""
