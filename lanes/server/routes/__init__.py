"""The routes, and the table that names them all."""
