"""What is shown, and how: columns, words, symbols, settings."""
