"""The regions of the main screen, from top to bottom: header, filter, lanes, detail."""
