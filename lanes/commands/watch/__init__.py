"""The command that watches other programs' gateways."""
