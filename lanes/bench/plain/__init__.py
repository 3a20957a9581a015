"""The baselines, without code of lanes: plain ``sqlite3``, and plain HTTP servers."""
