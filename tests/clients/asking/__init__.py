"""Run in the environment of the clients (``python -m tests.clients.asking``), which has nothing of lanes and imports
nothing of it. Each module is one client: what it asks by each route that it speaks, and what the answer must be."""
