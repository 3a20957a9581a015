"""The adapters of programs whose gateway needs no pairing: opencode, codex, LangGraph."""
