"""The upkeep thread and its duties: heartbeats, watchdog, alarms, retention."""
