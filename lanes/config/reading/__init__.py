"""From a TOML file, the environment and flags to checked values."""
