"""What several doors write: events, notices, ends of messages."""
