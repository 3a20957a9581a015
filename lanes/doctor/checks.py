"""The results of the doctor's checks."""

from typing import Self

from lanes.records import Check, Level

#: The checks whose sentences contain only words of lanes, and names of hosts, users and files. Any other check may
#: quote a conversation or a key, so a bundle without texts leaves its sentences out; thus a new check cannot leak.
OWN_WORDS = frozenset(
    {
        "clocks", "configuration", "dead_letters", "descriptors", "disk", "draining", "file", "file_system", "folder",
        "gateway", "ghosts", "invariants", "journal", "limits", "lock", "log", "names", "owners", "permissions", "port",
        "rows", "schema", "secrets", "shortages", "sqlite", "survivors", "users",
    }
)  # fmt: skip


class QuotingMessage(str):
    """A message that quotes data; ``bare`` is the same message without the quoted parts."""

    bare: str

    def __new__(cls, message: str, bare: str) -> Self:
        instance = super().__new__(cls, message)
        instance.bare = bare
        return instance


def ok(check: str, message: str) -> Check:
    """A check without a problem."""
    return Check(check, Level.OK, message)


def warning(check: str, message: str, fix: str) -> Check:
    """A problem that a person should know about."""
    return Check(check, Level.WARNING, message, fix)


def broken(check: str, message: str, fix: str) -> Check:
    """A state that must never occur."""
    return Check(check, Level.BROKEN, message, fix)


__all__ = ["OWN_WORDS", "Check", "Level", "QuotingMessage", "broken", "ok", "warning"]
