"""Where lanes come from: a database file or a gateway elsewhere, read again after each change."""
