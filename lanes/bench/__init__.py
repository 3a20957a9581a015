"""The benchmarks: every row of the targets, measured side by side in one run and reported as ratios.

Absolute figures depend on the machine; a ratio to a plain baseline, measured on the same machine in the same minute,
depends on lanes. No test asserts a result: ``lanes bench`` and ``make bench`` print them, people judge.
"""
