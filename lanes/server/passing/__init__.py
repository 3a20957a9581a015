"""Requests of other programs that are passed on unchanged: their source, their session, their answer and its end."""
