"""Command runners: each run is a program with its own process tree, which never outlives the run unseen."""
