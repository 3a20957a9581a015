"""What the commands share: options, the session, output, exit codes."""
