"""Requests of other programs, which are passed on as they are: where they come in, what names them, how they end."""
