"""Input for programs while they work: texts that people add, and answers to the programs' questions."""
