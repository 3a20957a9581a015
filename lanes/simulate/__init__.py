"""The simulated provider: an OpenAI-compatible server whose model names choose what goes wrong."""
