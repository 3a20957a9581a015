"""What a model is told of a lane's conversation: which turns, in which words, and how many fit.

Pure functions over turns; ``lanes_storage`` keeps them, ``lanes.runners`` sends them.
"""
