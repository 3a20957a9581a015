"""How a program is pointed at lanes, and where well-known accounts are."""

from typing import NamedTuple

from lanes.base.errors import ConfigError
from lanes.guard.jsontext import Edit

#: Where well-known accounts are, by the name that these programs give them.
ACCOUNTS = {
    "anthropic": "https://api.anthropic.com/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
}


class Pointing(NamedTuple):
    """Where the models of a program were, and the edits of its file."""

    upstream: str
    edits: list[Edit]


def known(account: str, now: str | None) -> str:
    """The address of an account: the one that is set, or the usual one. Raises ConfigError."""
    if now is not None:
        return now.rstrip("/")
    if account not in ACCOUNTS:
        raise ConfigError(f"it is not known where the account {account!a} is; name it with --upstream")
    return ACCOUNTS[account]
