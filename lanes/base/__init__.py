"""The ground of the library: context, errors, checked arguments, procedures, and what may reach a terminal."""
