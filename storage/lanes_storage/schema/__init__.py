"""The schema: its tables and its versions."""
