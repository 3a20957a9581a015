"""What several doors write: events, notices, and how messages end."""
