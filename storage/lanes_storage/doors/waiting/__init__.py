"""Doors about messages that wait: their place in the queue, and how long they wait."""
