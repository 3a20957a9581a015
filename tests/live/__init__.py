"""``make live``: lanes with the real programs that it works with, in front of the simulated provider.

Each module in ``subjects`` has a ``SUBJECT``: what it tries, and the document that holds its table.
"""
