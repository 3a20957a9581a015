"""What every surface can do, once: the command line, the HTTP API, the dashboard and ``lanes.Desk``.

Each operation is a *procedure* (``lanes.procedure``): it yields what it needs of the store and of time, so the
same code runs for a blocking command and on an event loop.
"""
