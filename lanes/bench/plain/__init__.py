"""What lanes is held against, with nothing of ours in between: plain ``sqlite3``, and plain HTTP servers."""
