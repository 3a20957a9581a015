"""What the commands share: the table of commands, options, the session, exit codes."""
