"""Reading a TOML file, the environment and flags into checked values."""
