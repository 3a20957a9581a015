"""The table of lanes and the rows of other lists."""
