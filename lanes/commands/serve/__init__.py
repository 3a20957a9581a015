"""Commands that run or watch gateways."""
