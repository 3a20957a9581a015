"""The same work done by other programs, each a script of its own that runs on the Python that has them.

Each is called with a folder, a number of cycles and a number of keys, and prints the seconds that the cycles took:
so many messages enqueued, at most one at a time for each key, run by a function that does nothing, and ended. The
script of LiteLLM's router lives through a night instead (``lanes.bench.night``).
"""
