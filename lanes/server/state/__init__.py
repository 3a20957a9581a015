"""What lives as long as the server or a stream: application state, the followed journal, waiting clients."""
