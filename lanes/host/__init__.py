"""What lanes needs of the machine: processes, file descriptors, ports, memory, and changes of the database file."""
