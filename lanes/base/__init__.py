"""The ground of the library: errors, checked arguments, procedures, and what may reach a terminal."""
