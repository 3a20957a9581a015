"""The input of a run while it works: answers to its questions, and steers."""
