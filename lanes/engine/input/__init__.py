"""What a live run is given while it works: the answers to its questions, and texts that are meant for it."""
