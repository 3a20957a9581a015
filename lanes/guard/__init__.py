"""``lanes guard``: points a program that runs agents at a source of lanes, and back."""
