"""Commands about the installation and the database file."""
