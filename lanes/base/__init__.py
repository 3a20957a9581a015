"""The lowest layer of the library: errors, argument checks, procedures, and text that is safe for a terminal."""
