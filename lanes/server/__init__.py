"""The HTTP server of a gateway: native routes, those of the dialects of model APIs, and access checks."""
