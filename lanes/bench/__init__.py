"""The benchmarks: every row of the targets, measured side by side in one run, told as ratios.

Absolute figures belong to the machine; a ratio against something plain on the same machine, in the same minute,
belongs to lanes. Nothing here is asserted by a test: ``lanes bench`` and ``make bench`` print, people judge.
"""
