"""The part of a lane's conversation that is sent to a model: which turns, in which form, and how many fit.

Pure functions of turns; ``lanes_storage`` stores the turns, ``lanes.runners`` sends them.
"""
