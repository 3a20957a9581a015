"""Watching other programs' gateways: their sessions are shown as lanes, and can be freed, without being run here.

``adapter`` is the interface that each program's adapter implements, ``ladder`` frees a session through it, and
``watcher`` keeps what was seen in the database.
"""
