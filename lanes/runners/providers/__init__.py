"""The provider runner: a chain of providers, each attempt in a dialect, and the health of each provider."""
