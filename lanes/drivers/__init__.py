"""Drivers run verbs: on a file for a blocking command, on an event loop, and over HTTP at a remote gateway.

Each has a ``call(verb, …)`` that returns the same records and raises the same errors.
"""
