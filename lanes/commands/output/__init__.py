"""How commands print: tables, records in words, progress."""
