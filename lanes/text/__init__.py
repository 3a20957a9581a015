"""Text for people and files: ages, timestamps, amounts, advised commands, chat texts, TOML."""
