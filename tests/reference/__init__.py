"""The reference pages (docs/commands.md, docs/http.md), written from the program itself.

``python -m tests.reference`` writes them anew; a test holds them against the program.
"""
