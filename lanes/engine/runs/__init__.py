"""The runs of this process: from the claim to the release, with streams and hooks."""
