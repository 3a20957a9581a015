"""Programs that take input while they work: what people add, and the answers to their questions."""
