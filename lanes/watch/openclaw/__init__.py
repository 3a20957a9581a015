"""OpenClaw's gateway (2026.5 and 2026.9): RPC over a WebSocket, with a paired device."""
