"""What moves lanes: the dispatcher, the runs, and the upkeep that notices when they stop moving."""
