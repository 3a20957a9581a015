"""The benchmarks prove that they work, at a tiny size; how fast anything is, no test asserts."""
