"""Python runners with a process for each run: one that never yields, leaks or crashes affects no other run."""
