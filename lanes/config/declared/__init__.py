"""What a configuration may hold: every setting, its values, and the frozen objects that the program reads."""
