"""The gateway asked by schemathesis, all checks on, as its OpenAPI document says: ``make fuzz``."""
