"""The HTTP server of a gateway: native and OpenAI-compatible routes, and access checks."""
