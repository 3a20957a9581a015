"""The machine below: processes, file descriptors, ports, memory, and changes of the database file."""
