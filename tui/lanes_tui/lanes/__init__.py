"""The main screen: the lanes."""
