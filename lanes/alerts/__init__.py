"""Alerts: people are told, once each, when something has gone wrong for a while, and when it is over."""
