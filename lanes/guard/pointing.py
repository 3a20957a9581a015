"""How a program is pointed at lanes, and where well-known accounts are."""

from typing import NamedTuple

from lanes.guard.jsontext import Edit

#: Where well-known accounts are, by the name that these programs give them.
ACCOUNTS = {
    "anthropic": "https://api.anthropic.com/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
}


class Pointing(NamedTuple):
    """The address of a program's models before (None if not known), and the edits that point its file at lanes."""

    upstream: str | None
    edits: list[Edit]


def known(account: str, now: str | None) -> str | None:
    """The address of an account: the one that is set, else the usual one; None if neither is known."""
    return ACCOUNTS.get(account) if now is None else now.rstrip("/")
