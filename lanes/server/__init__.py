"""HTTP before a gateway: the native routes, the OpenAI-compatible ones, and who may use them."""
