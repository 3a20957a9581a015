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
    """Where the models of a program were, None if that is not known, and the edits of its file."""

    upstream: str | None
    edits: list[Edit]


def known(account: str, now: str | None) -> str | None:
    """The address of an account: the one that is set, or the usual one."""
    return ACCOUNTS.get(account) if now is None else now.rstrip("/")
