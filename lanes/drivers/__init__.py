"""What carries verbs out: on a file for a blocking command, on an event loop, and over HTTP at a gateway elsewhere.

Every driver has one interface: ``driver.call(verb, **params)`` gives the record of what came of it, and raises the same
errors.
"""
