"""Drivers run verbs: on a file for a blocking command, on an event loop, and over HTTP at a remote gateway.

Every driver has the same interface: ``driver.call(verb, **params)`` returns the record, and raises the same errors.
"""
