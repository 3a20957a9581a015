"""Commands about lanes and messages."""
