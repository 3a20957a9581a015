"""Alerts: one notification when something has been wrong for a while, and one when it is over."""
