"""One SQLite file: connections, locks, identity, transactions and the write-ahead log."""
