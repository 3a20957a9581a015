"""Real clients, unchanged, before a gateway and the simulated provider: each through each dialect of a provider."""
