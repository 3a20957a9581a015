"""What the rows of the benchmarks share: sizes, processes, filled databases, one run cycle."""
