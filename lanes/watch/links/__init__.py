"""Connections to other programs' gateways: WebSocket and HTTP. What comes over them is bounded, and may be hostile."""
