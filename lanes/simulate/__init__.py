"""The simulated provider: a server that speaks all three dialects, whose model names choose what goes wrong."""
