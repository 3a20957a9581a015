"""Python runners whose runs have a process each: one that never yields, leaks or crashes takes nobody with it."""
