"""The engine: the dispatcher, the runs, and the upkeep, which notices runs that are stuck."""
