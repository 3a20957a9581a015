"""What does the work of a run."""
