"""Actions on lanes, and the messages and bindings that start them."""
